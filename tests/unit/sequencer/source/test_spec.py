"""A source that is not written correctly is refused with the correct form."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import SourceNotFoundError
from sequencer.errors import JobUsageError
from sequencer.source.open_sources import open_sources
from sequencer.source.spec import adding_hint
from tests.support.s3.no_s3 import NO_S3


def opened(spec: str) -> None:
    open_sources([spec], s3=NO_S3)


@pytest.mark.parametrize(
    ("spec", "way"),
    [
        ("s3a://bucket/key", "write it as s3://bucket/key"),
        ("s3n://bucket/key", "write it as s3://bucket/key"),
        ("gs://bucket/key", "S3_ENDPOINT=https://storage.googleapis.com"),
        ("https://bucket.s3.amazonaws.com/key", "with S3_ENDPOINT"),
        ("HTTP://host/key", "with S3_ENDPOINT"),
        ("ftp://host/key", "use s3://bucket/key"),
        ("abfss://container@account/key", "use s3://bucket/key"),
        ("file:///data/big.csv", "write the path alone"),
        ("file:big.csv", "write the path alone"),
        ("s3:/bucket/key", "write it as s3://bucket/key"),
        ("s3:bucket/key", "write it as s3://bucket/key"),
        ("s3//bucket/key", "write it as s3://bucket/key"),
        ("S3://bucket/key", "write it as s3://bucket/key"),
    ],
)
def test_unsupported_scheme_is_refused_with_the_correct_form(spec: str, way: str) -> None:
    with pytest.raises(JobUsageError) as raised:
        opened(spec)
    assert way in raised.value.detail


@pytest.mark.parametrize("name", ["a:b.csv", "http:x.csv", "s3:x.csv", "a*b.csv", "[1].csv"])
def test_file_with_an_odd_name_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(b"a\n1\n")
    opened(name)


@pytest.mark.parametrize("spec", ["*.csv", "data/part-?.csv", "data/{a,b}.csv", "data/[ab].csv"])
def test_pattern_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceNotFoundError, match=r"patterns are not expanded.*use the directory"):
        opened(spec)


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("s3://b/data/*.csv", "patterns are not expanded: s3://b/data/ reads all objects below it"),
        ("s3://b/*", "patterns are not expanded: s3://b/ reads all objects below it"),
        ("s3://b/data/part-?", "patterns are not expanded: s3://b/data/ reads"),
        ("s3://b/data", "a prefix ends in a slash: s3://b/data/"),
    ],
)
def test_missing_object_may_be_a_pattern_or_a_prefix(spec: str, hint: str) -> None:
    with pytest.raises(SourceNotFoundError) as raised, adding_hint(spec):
        raise SourceNotFoundError(f"{spec}: there is no such object")
    assert hint in raised.value.detail
