"""What other tools leave beside their data is not read from a prefix or a directory; by its own name it is."""

from __future__ import annotations

import gzip
import logging
import os
from pathlib import Path

import pytest
import zstandard

from sequencer.errors import SourceNotFoundError
from sequencer.input.job_input import JobInput
from sequencer.input.opening import open_job_input
from sequencer.settings import JobSettings
from sequencer.source.files import SourceFile, open_sources
from tests.support.s3.fake_gateway import fake_s3_gateway

ROWS = b"id\n1\n"
LEFT = {
    "_SUCCESS": b"",
    "_committed_4711": b'{"added":["part-0.csv"]}',
    "_started_4711": b"",
    "part-9.csv": b"",
    "part-8.csv.gz": gzip.compress(b""),
    "part-7.csv.zst": zstandard.compress(b""),
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


def test_directory_is_read_without_what_other_tools_leave(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, content in (LEFT | READ).items():
        (tmp_path / name).write_bytes(content)
    assert names(open_local(str(tmp_path))) == sorted(READ)
    assert_told(caplog, LEFT)


def test_prefix_is_read_without_what_other_tools_leave(caplog: pytest.LogCaptureFixture) -> None:
    objects = {f"_out/run.1/{name}": content for name, content in (LEFT | LEFT_BELOW | READ).items()}
    with fake_s3_gateway(objects) as gateway:
        files = open_sources(["s3://b/_out/run.1/"], connect=gateway.client, retries=0)
        assert names(files) == sorted(READ)
    assert_told(caplog, {**LEFT, **{name: b"" for name in LEFT_BELOW if name != "folder/"}})


def assert_told(caplog: pytest.LogCaptureFixture, left: dict[str, bytes]) -> None:
    (record,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert f"not read are {len(left)} files" in record.message
    for name in sorted(left)[:5]:
        assert repr(name) in record.message or "more" in record.message


@pytest.mark.parametrize("name", LEFT | LEFT_BELOW)
def test_what_is_given_by_its_name_is_read(tmp_path: Path, name: str) -> None:
    if name.endswith("/"):
        return
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(ROWS)
    assert [file.name for file in open_local(str(path))] == [str(path)]
    with fake_s3_gateway({name: ROWS}) as gateway:
        (file,) = open_sources([f"s3://b/{name}"], connect=gateway.client, retries=0)
        with file.open() as pieces:
            assert b"".join(pieces) == ROWS


def test_nothing_left_is_no_source(tmp_path: Path) -> None:
    for name, content in LEFT.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceNotFoundError, match=r"nothing to read: all 14 files .*'\.DS_Store'") as raised:
        open_local(str(tmp_path))
    assert raised.value.exit_code == 66
    with (
        fake_s3_gateway({f"p/{name}": content for name, content in LEFT.items()}) as gateway,
        pytest.raises(SourceNotFoundError, match=r"nothing to read: all 14 objects .*'\.DS_Store'"),
    ):
        open_sources(["s3://b/p/"], connect=gateway.client, retries=0)


def test_job_is_known_by_what_is_read(tmp_path: Path) -> None:
    """A marker that comes between two starts makes no other source of it."""
    (tmp_path / "part-0.csv").write_bytes(ROWS)
    before = job(tmp_path)
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "part-1.csv").touch()
    assert job(tmp_path).identity == before.identity
    assert job(tmp_path).total_bytes == before.total_bytes == len(ROWS)


def job(directory: Path) -> JobInput:
    return open_job_input(JobSettings(source=(str(directory),)))


@pytest.mark.parametrize("other", ["./a.csv", "sub/../a.csv", "linked.csv", "hard.csv", "a.csv", "below//a.csv"])
def test_file_that_is_given_twice_is_told(
    tmp_path: Path, other: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_bytes(ROWS)
    Path("sub").mkdir()
    Path("linked.csv").symlink_to("a.csv")
    os.link("a.csv", "hard.csv")
    Path("below").symlink_to(".")
    assert len(open_local("a.csv", other)) == 2
    assert f"'a.csv' and {other!r} are the same file: its rows are sent more than once" in caplog.text


def test_object_that_is_given_twice_is_told_and_another_is_not(caplog: pytest.LogCaptureFixture) -> None:
    with fake_s3_gateway({"a.csv": ROWS, "c.csv": ROWS}) as gateway:
        open_sources(["s3://b/a.csv", "s3://b/c.csv"], connect=gateway.client, retries=0)
        assert not caplog.records
        open_sources(["s3://b/a.csv", "s3://b/"], connect=gateway.client, retries=0)
    assert "'s3://b/a.csv' and 's3://b/a.csv' are the same file" in caplog.text


def open_local(*specs: str) -> list[SourceFile]:
    def no_s3() -> None:
        raise AssertionError("no S3 is needed")

    return open_sources(specs, connect=no_s3, retries=0)  # type: ignore[arg-type]  # never called
