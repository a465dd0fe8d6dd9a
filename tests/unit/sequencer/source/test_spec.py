"""A source that cannot be read as it is written is refused with the way to write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sequencer.errors import JobUsageError, SourceNotFoundError
from sequencer.source.files import open_sources
from sequencer.source.spec import explaining


def opened(spec: str) -> None:
    def no_s3() -> None:
        raise AssertionError("no S3 is asked")

    open_sources([spec], connect=no_s3, retries=0)  # type: ignore[arg-type]  # never called


@pytest.mark.parametrize(
    ("spec", "way"),
    [
        ("s3a://bucket/key", "write it as s3://bucket/key"),
        ("s3n://bucket/key", "write it as s3://bucket/key"),
        ("gs://bucket/key", "S3_ENDPOINT=https://storage.googleapis.com"),
        ("https://bucket.s3.amazonaws.com/key", "with S3_ENDPOINT"),
        ("HTTP://host/key", "with S3_ENDPOINT"),
        ("ftp://host/key", "sources are s3://bucket/key"),
        ("abfss://container@account/key", "sources are s3://bucket/key"),
        ("file:///data/big.csv", "write the path alone"),
        ("file:big.csv", "write the path alone"),
        ("s3:/bucket/key", "write it as s3://bucket/key"),
        ("s3:bucket/key", "write it as s3://bucket/key"),
        ("s3//bucket/key", "write it as s3://bucket/key"),
        ("S3://bucket/key", "write it as s3://bucket/key"),
    ],
)
def test_scheme_that_cannot_be_read_says_how_to_write_it(spec: str, way: str) -> None:
    with pytest.raises(JobUsageError) as raised:
        opened(spec)
    assert way in raised.value.detail


@pytest.mark.parametrize("name", ["a:b.csv", "http:x.csv", "s3:x.csv", "a*b.csv", "[1].csv"])
def test_file_of_an_odd_name_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(b"a\n1\n")
    opened(name)


@pytest.mark.parametrize("spec", ["*.csv", "data/part-?.csv", "data/{a,b}.csv", "data/[ab].csv"])
def test_pattern_is_not_expanded_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceNotFoundError, match=r"patterns are not expanded.*give the directory"):
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
def test_object_that_is_not_there_may_be_a_pattern_or_a_prefix(spec: str, hint: str) -> None:
    with pytest.raises(SourceNotFoundError) as raised, explaining(spec):
        raise SourceNotFoundError(f"{spec}: there is no such object")
    assert hint in raised.value.detail
