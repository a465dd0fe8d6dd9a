"""Files that other tools leave next to their data are skipped in a prefix or directory, and read by their own names."""

from __future__ import annotations

import gzip
import logging
import os
from pathlib import Path

import pytest

from contracts.errors import SourceNotFoundError
from sequencer.input.job_input import JobInput
from sequencer.input.opening import open_job_input
from sequencer.settings import JobSettings
from sequencer.source.open_sources import open_sources
from sequencer.source.s3_object import S3Options
from sequencer.source.source_file import SourceFile
from tests.support.s3.fake_gateway import fake_s3_gateway
from tests.support.s3.no_s3 import NO_S3
from tests.support.zstd import zstd

ROWS = b"id\n1\n"
LEFT = {
    "_SUCCESS": b"",
    "_committed_4711": b'{"added":["part-0.csv"]}',
    "_started_4711": b"",
    "part-9.csv": b"",
    "part-8.csv.gz": gzip.compress(b""),
    "part-7.csv.zst": zstd.compress(b""),
    ".part-0.csv.crc": b"crc\0\0\0\0",
    "part-0.csv.crc": b"crc\0\0\0\0",
    "part-0.csv.sha256": b"0123",
    "part-0.csv._COPYING_": b"half of",
    "query.csv.metadata": b"\x0a\x05types",
    ".DS_Store": b"\0\0\0\1Bud1",
    "Thumbs.db": b"\xd0\xcf\x11\xe0",
    "data_$folder$": b"",
}
LEFT_BELOW = {
    "_manifests/upload.json": b"{}",
    "_temporary/0/part-0.csv": ROWS,
    ".hidden/part-0.csv": ROWS,
    "__MACOSX/part-0.csv": ROWS,
    "folder/": b"",
    "folder/_SUCCESS": b"",
    "folder_$folder$": b"",
}
READ = {"part-0.csv": ROWS, "part-1.csv.gz": gzip.compress(ROWS), "a_b.c.csv": ROWS}


def names(files: list[SourceFile]) -> list[str]:
    return [file.name.rpartition("/")[2] for file in files]


def test_leftovers_in_a_directory_are_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, content in (LEFT | READ).items():
        (tmp_path / name).write_bytes(content)
    assert names(open_local(str(tmp_path))) == sorted(READ)
    assert_logged(caplog, LEFT)


def test_leftovers_below_a_prefix_are_skipped(caplog: pytest.LogCaptureFixture) -> None:
    objects = {f"_out/run.1/{name}": content for name, content in (LEFT | LEFT_BELOW | READ).items()}
    with fake_s3_gateway(objects) as gateway:
        files = open_sources(["s3://b/_out/run.1/"], s3=S3Options(connect=gateway.client, retries=0))
        assert names(files) == sorted(READ)
    assert_logged(caplog, {**LEFT, **{name: b"" for name in LEFT_BELOW if name != "folder/"}})


def assert_logged(caplog: pytest.LogCaptureFixture, left: dict[str, bytes]) -> None:
    (record,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    extra = vars(record)
    assert extra["skipped"] == len(left)
    for name in sorted(left)[:5]:
        assert repr(name) in extra["names"] or "more" in extra["names"]


@pytest.mark.parametrize("name", LEFT | LEFT_BELOW)
def test_file_given_by_its_own_name_is_read(tmp_path: Path, name: str) -> None:
    if name.endswith("/"):
        return
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(ROWS)
    assert [file.name for file in open_local(str(path))] == [str(path)]
    with fake_s3_gateway({name: ROWS}) as gateway:
        (file,) = open_sources([f"s3://b/{name}"], s3=S3Options(connect=gateway.client, retries=0))
        with file.open() as pieces:
            assert b"".join(pieces) == ROWS


def test_source_with_only_leftovers_is_refused(tmp_path: Path) -> None:
    for name, content in LEFT.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceNotFoundError, match=r"nothing to read: all 14 files .*'\.DS_Store'") as raised:
        open_local(str(tmp_path))
    assert raised.value.exit_code == 66
    with (
        fake_s3_gateway({f"p/{name}": content for name, content in LEFT.items()}) as gateway,
        pytest.raises(SourceNotFoundError, match=r"nothing to read: all 14 objects .*'\.DS_Store'"),
    ):
        open_sources(["s3://b/p/"], s3=S3Options(connect=gateway.client, retries=0))


def test_leftovers_do_not_change_the_identity_of_a_source(tmp_path: Path) -> None:
    """A marker may appear between two starts of a job."""
    (tmp_path / "part-0.csv").write_bytes(ROWS)
    before = job(tmp_path)
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "part-1.csv").touch()
    assert job(tmp_path).identity == before.identity
    assert job(tmp_path).total_bytes == before.total_bytes == len(ROWS)


def job(directory: Path) -> JobInput:
    return open_job_input(JobSettings(source=(str(directory),)))


@pytest.mark.parametrize("other", ["./a.csv", "sub/../a.csv", "linked.csv", "hard.csv", "a.csv", "below//a.csv"])
def test_file_given_twice_is_logged(
    tmp_path: Path, other: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_bytes(ROWS)
    Path("sub").mkdir()
    Path("linked.csv").symlink_to("a.csv")
    os.link("a.csv", "hard.csv")
    Path("below").symlink_to(".")
    assert len(open_local("a.csv", other)) == 2
    assert duplicates(caplog) == [("a.csv", other)]


def test_object_given_twice_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with fake_s3_gateway({"a.csv": ROWS, "c.csv": ROWS}) as gateway:
        open_sources(["s3://b/a.csv", "s3://b/c.csv"], s3=S3Options(connect=gateway.client, retries=0))
        assert not caplog.records
        open_sources(["s3://b/a.csv", "s3://b/"], s3=S3Options(connect=gateway.client, retries=0))
    assert duplicates(caplog) == [("s3://b/a.csv", "s3://b/a.csv")]


def duplicates(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(vars(record)["same_as"], vars(record)["path"]) for record in caplog.records]


def open_local(*specs: str) -> list[SourceFile]:
    return open_sources(specs, s3=NO_S3)
