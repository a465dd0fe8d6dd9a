from __future__ import annotations

import base64
from pathlib import Path

import pytest

from contracts.digests import digest_field
from contracts.errors import InvalidDatasetNameError
from csvscan import Strictness
from tests.support.uploader.ingest import settings_for
from tests.support.uploader.tus import metadata
from uploader.access.errors import PermissionDeniedError
from uploader.domain.cutting import ChunkType
from uploader.errors import InvalidFieldError
from uploader.resumable.errors import TusRequestError
from uploader.resumable.upload_metadata import UploadMetadata, read_metadata

DIGEST = "0123456789abcdef" * 4


def _read(header: str, *, repr_digest: str | None = None) -> UploadMetadata:
    return read_metadata(
        header, repr_digest=repr_digest, defaults=settings_for(Path("/tmp")), check_dataset=lambda _: None
    )


def test_fields_are_those_of_a_plain_upload() -> None:
    found = _read(metadata(dataset_name="people", chunk_type="rows", chunk_size="7", delimiter="tab", strict="no"))
    assert found.options.chunk_type is ChunkType.ROWS
    assert (found.options.dataset_name, found.options.chunk_size) == ("people", 7)
    assert (found.options.delimiter, found.options.strict) == (b"\t", Strictness.OFF)


@pytest.mark.parametrize("key", ["filename", "name"])
def test_name_of_the_file_has_no_path(key: str) -> None:
    assert _read(metadata(**{"dataset_name": "d", key: "C:\\data\\Grüße.csv"})).filename == "Grüße.csv"


def test_what_uppy_adds_is_ignored() -> None:
    header = metadata(dataset_name="d", name="a.csv", type="text/csv", filetype="text/csv", relativePath="null")
    assert _read(header).filename == "a.csv"


def test_digest_is_kept_in_lower_case() -> None:
    assert _read(metadata(dataset_name="d", sha256=DIGEST.upper())).sha256 == DIGEST


def test_repr_digest_is_the_digest_of_the_file() -> None:
    field = digest_field(DIGEST)
    assert _read(metadata(dataset_name="d"), repr_digest=field).sha256 == DIGEST
    assert _read(metadata(dataset_name="d", sha256=DIGEST), repr_digest=field).sha256 == DIGEST


def test_two_digests_of_a_file_are_refused() -> None:
    with pytest.raises(InvalidFieldError, match="Repr-Digest"):
        _read(metadata(dataset_name="d", sha256="0" * 64), repr_digest=digest_field(DIGEST))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"dataset": "d"}, "dataset"),
        ({"chunk_type": "rows"}, "dataset_name"),
        ({"dataset_name": "d", "chunk_type": "count"}, "chunk_size"),
        ({"dataset_name": "d", "sha256": "abc"}, "sha256"),
    ],
)
def test_faulty_field_is_named(fields: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        _read(metadata(**fields))
    assert caught.value.extra["field"] == field


def test_dataset_with_a_wrong_name_is_refused() -> None:
    with pytest.raises(InvalidDatasetNameError):
        _read(metadata(dataset_name="../etc"))


@pytest.mark.parametrize(
    "header", ["dataset_name ?", f"dataset_name {base64.b64encode(bytes([0xFF])).decode()}", "name ZA==,name ZA=="]
)
def test_malformed_header_is_refused(header: str) -> None:
    with pytest.raises(TusRequestError):
        _read(header)


def test_permission_on_the_dataset_is_asked_for() -> None:
    def refuse(_: str) -> None:
        raise PermissionDeniedError("no")

    with pytest.raises(PermissionDeniedError):
        read_metadata(
            metadata(dataset_name="d"), repr_digest=None, defaults=settings_for(Path("/tmp")), check_dataset=refuse
        )
