"""Valid and invalid fields of an upload."""

from __future__ import annotations

import encodings
from pathlib import Path

import pytest

from contracts.errors import CsvPipeError
from csvscan import Strictness
from tests.support.uploader.ingest import settings_for
from uploader.domain.cutting import ChunkType, CutOptions
from uploader.errors import InvalidFieldError
from uploader.ingest.form_fields import FormFields


def options(**fields: str) -> CutOptions:
    given = {"dataset_name": "people", **fields}
    return FormFields(query=given.items(), defaults=settings_for(Path("/nowhere"), max_chunks=20)).options()


def test_missing_fields_default_to_the_settings() -> None:
    expected = CutOptions(dataset_name="people", chunk_type=ChunkType.SIZE, chunk_size=50)
    assert options() == expected
    assert options(chunk_type="rows").chunk_size == 100_000


@pytest.mark.parametrize("value", [",", ";", "|", "\t", "tab", "\\t", "pipe", "semicolon", "comma"])
def test_delimiter_is_accepted_as_character_or_name(value: str) -> None:
    named = {"tab": b"\t", "\\t": b"\t", "pipe": b"|", "semicolon": b";", "comma": b","}
    assert options(delimiter=value).delimiter == named.get(value, value.encode())


def test_encoding_is_accepted_by_any_alias() -> None:
    assert options(encoding="Latin1").encoding == "iso8859-1"
    assert options(encoding="auto").encoding is None


@pytest.mark.parametrize("value", ["0", "-1", "+5", "1.5", "1e3", "", " 5", "٣", "9" * 30, "1_000"])
def test_chunk_size_that_is_not_a_positive_whole_number_is_refused(value: str) -> None:
    with pytest.raises(InvalidFieldError, match="whole number from 1") as raised:
        options(chunk_size=value)
    assert raised.value.extra == {"field": "chunk_size"}


def test_count_is_limited_by_max_chunks_and_has_no_default() -> None:
    assert options(chunk_type="count", chunk_size="20").chunk_size == 20
    with pytest.raises(InvalidFieldError, match="MAX_CHUNKS"):
        options(chunk_type="count", chunk_size="21")
    with pytest.raises(InvalidFieldError, match="requires chunk_size"):
        options(chunk_type="count")


def test_field_repeated_with_the_same_value_is_accepted() -> None:
    fields = FormFields(query=[("strict", "false")], defaults=settings_for(Path("/nowhere")))
    fields.add("dataset_name", "people")
    fields.add("strict", "false")
    assert fields.options().strict is Strictness.OFF
    with pytest.raises(InvalidFieldError, match="given twice"):
        fields.add("strict", "true")


@pytest.mark.parametrize(
    ("value", "strictness"),
    [
        ("true", Strictness.STRICT),
        ("No", Strictness.OFF),
        ("lenient", Strictness.LENIENT),
        ("LENIENT", Strictness.LENIENT),
    ],
)
def test_strict_has_three_values(value: str, strictness: Strictness) -> None:
    assert options(strict=value).strict is strictness


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "é", "x" * 129, "a\n"])
def test_invalid_dataset_name_is_refused(name: str) -> None:
    with pytest.raises(CsvPipeError) as raised:
        options(dataset_name=name)
    assert raised.value.code == "invalid_dataset_name"


@pytest.mark.parametrize("value", ["x" * 41, "utf-8" + " " * 60_000, "é" * 30, "no-such-encoding"])
def test_unknown_encodings_are_not_cached(value: str) -> None:
    # Python keeps every name that it was asked for, known or not, for as long as the process lives.
    before = len(encodings._cache)
    for number in range(20):
        with pytest.raises(InvalidFieldError) as raised:
            options(encoding=f"{value}{number}")
        assert raised.value.extra == {"field": "encoding"}
        assert len(raised.value.detail) < 200
    assert len(encodings._cache) == before


@pytest.mark.parametrize(
    "value", ["rot13", "hex", "base64", "zlib", "bz2", "uu", "quopri", "idna", "punycode", "undefined"]
)
def test_codec_that_is_not_a_text_encoding_is_refused(value: str) -> None:
    with pytest.raises(InvalidFieldError, match="known text encoding"):
        options(encoding=value)


def test_field_in_the_query_has_the_size_limit_of_a_form_field() -> None:
    with pytest.raises(InvalidFieldError, match="4096 bytes") as raised:
        options(delimiter="é" * 2_049)
    assert raised.value.extra == {"field": "delimiter"}
    assert len(raised.value.detail) < 200
