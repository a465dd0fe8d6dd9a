"""``csvpipe upload`` against the real uploader: broken lines, and both ends killed, become one whole upload."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.exit_codes import ExitCode
from tests.support.network.breaking_proxy import breaking_proxy
from tests.support.network.cutting_proxy import cutting_proxy
from tests.support.network.line import Cut, Line, network_line
from tests.support.uploader.comparison import description_of
from tests.support.uploader.killed_uploader import killed_uploader
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.uploader.tus import TUS
from tests.support.uploader.upload_command import UploadCommand
from tests.support.waiting import wait_until
from uploader.disk.part_file import part_ids

ROWS = b"id,name\r\n" + b"".join(b'%d,"name of\r\n%d"\r\n' % (row, row) for row in range(1, 200_000))
FIELDS = {"dataset_name": "people", "chunk_type": "rows", "chunk_size": "30000"}
OPTIONS = ("--dataset", "people", "--chunk-type", "rows", "--chunk-size", "30000")
BEGIN_BYTES = 2_000_000
"""How much of a file passes before a command waits for its test."""
MORE_BYTES = 700_000
"""How much passes before each later interruption: three of them are less than the rest."""
BREAKS = 8
LOST = 3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path_factory.mktemp("chunks")) as running:
        yield running


@pytest.fixture(scope="module")
def plain(server: RunningUploader) -> dict[str, Any]:
    """Give what one unbroken upload becomes."""
    return description_of(server.base_url, send_plainly(server.base_url, "people.csv", ROWS))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_bytes(ROWS)
    return path


@pytest.fixture
def upload(tmp_path: Path) -> UploadCommand:
    return UploadCommand(tmp_path / "state", *OPTIONS)


@pytest.fixture
def line(server: RunningUploader) -> Iterator[Line]:
    with network_line("127.0.0.1", server.port) as running:
        yield running


def send_plainly(url: str, name: str, content: bytes) -> str:
    answer = httpx.post(
        f"{url}/upload/csv", params=FIELDS, files={"file": (name, content)}, timeout=60, trust_env=False
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["upload_id"])


def upload_ids(url: str) -> set[str]:
    page = httpx.get(f"{url}/uploads", params={"limit": 100}, trust_env=False).json()
    return {each["upload_id"] for each in page["uploads"]}


def line_url(line: Line) -> str:
    """Return the address that all runs of a command use: it is a part of what they remember."""
    return f"http://{line.address}"


def begin(upload: UploadCommand, server: RunningUploader, line: Line, *arguments: Path) -> subprocess.Popen[bytes]:
    """Start the command and return it in the middle of a file, where it stays until the line is mended."""
    before = {path.parent for path in server.temp_dir.glob(".resumable/*/data")}
    line.cut_after(BEGIN_BYTES, Cut.SILENCE)
    process = upload.start(line_url(line), *arguments)

    def is_receiving() -> bool:
        assert process.poll() is None, process.communicate()
        if not line.is_cut:
            return False
        new = {path for path in server.temp_dir.glob(".resumable/*/data") if path.parent not in before}
        return any(path.stat().st_size > 1_000_000 for path in new)

    wait_until(is_receiving, what="a part of the file has arrived", deadline_s=120, poll_s=0.02)
    return process


def end(process: subprocess.Popen[bytes], line: Line, number: signal.Signals = signal.SIGKILL) -> tuple[bytes, bytes]:
    """Stop the command, drop what is still on its way, and return what it printed. Then the line is whole."""
    process.send_signal(number)
    printed = process.communicate()
    line.cut(Cut.RESET)
    line.mend()
    return printed


def saved_id(upload: UploadCommand) -> str:
    (path,) = upload.saved()
    return str(json.loads(path.read_text())["resumable_id"])


def test_line_that_breaks_makes_one_whole_upload(
    server: RunningUploader, plain: dict[str, Any], file: Path, upload: UploadCommand, dice: random.Random
) -> None:
    before = upload_ids(server.base_url)
    with breaking_proxy("127.0.0.1", server.port, breaks=BREAKS, most_bytes=len(ROWS) // BREAKS, dice=dice) as proxy:
        code, out, err = upload.run(proxy.url, file)
        assert (code, proxy.broken) == (ExitCode.OK, BREAKS), err
    assert "trying again" in err
    assert description_of(server.base_url, out.strip()) == plain
    assert upload_ids(server.base_url) - before == {out.strip()}
    assert upload.saved() == []


@pytest.mark.parametrize("from_stdin", [False, True])
def test_lost_response_to_the_creation_leaves_no_second_upload(
    server: RunningUploader, plain: dict[str, Any], file: Path, upload: UploadCommand, from_stdin: bool
) -> None:
    before = set(part_ids(server.temp_dir))
    with cutting_proxy("127.0.0.1", server.port, cuts=LOST, cut_after_bytes=1) as proxy:
        code, out, err = upload.run(proxy.url, "-" if from_stdin else file, content=ROWS if from_stdin else None)
        assert (code, proxy.cuts_made) == (ExitCode.OK, LOST), err
    assert description_of(server.base_url, out.strip())["chunks"] == plain["chunks"]
    assert set(part_ids(server.temp_dir)) == before


def test_command_with_a_key_continues_what_another_one_has_begun(
    server: RunningUploader, plain: dict[str, Any], file: Path, line: Line, tmp_path: Path
) -> None:
    options = (*OPTIONS, "--idempotency-key", "of-two-machines")
    first, second = UploadCommand(tmp_path / "first", *options), UploadCommand(tmp_path / "second", *options)
    process = begin(first, server, line, file)
    end(process, line)
    code, out, err = second.run(line_url(line), file)
    assert (code, out.strip()) == (ExitCode.OK, saved_id(first)), err
    assert "Continuing after" in err
    assert description_of(server.base_url, out.strip()) == plain


def test_standard_input_survives_a_line_that_breaks(
    server: RunningUploader, plain: dict[str, Any], upload: UploadCommand, dice: random.Random
) -> None:
    with breaking_proxy("127.0.0.1", server.port, breaks=BREAKS, most_bytes=len(ROWS) // BREAKS, dice=dice) as proxy:
        code, out, err = upload.run(proxy.url, "-", content=ROWS)
        assert (code, proxy.broken) == (ExitCode.OK, BREAKS), err
    assert description_of(server.base_url, out.strip()) == plain | {"source_filename": "stdin.csv"}


def test_standard_input_of_many_blocks_is_sent_whole(
    server: RunningUploader, upload: UploadCommand, dice: random.Random
) -> None:
    content = ROWS * 16
    with breaking_proxy("127.0.0.1", server.port, breaks=4, most_bytes=len(content) // 2, dice=dice) as proxy:
        code, out, err = upload.run(proxy.url, "-", "--no-strict", content=content)
    assert code == ExitCode.OK, err
    plain = send_plainly(server.base_url, "stdin.csv", content)
    assert description_of(server.base_url, out.strip()) == description_of(server.base_url, plain)


def test_command_that_is_killed_again_and_again_continues(
    server: RunningUploader, plain: dict[str, Any], file: Path, upload: UploadCommand, line: Line
) -> None:
    before = upload_ids(server.base_url)
    process = begin(upload, server, line, file)
    for _ in range(3):
        end(process, line)
        (saved,) = upload.saved()
        assert "offset" not in saved.read_text()
        line.cut_after(MORE_BYTES, Cut.SILENCE)
        process = upload.start(line_url(line), file)
        wait_until(lambda: line.is_cut, what="more has arrived", deadline_s=120, poll_s=0.02)
    line.mend()
    out, err = process.communicate()
    assert process.returncode == ExitCode.OK, err
    assert b"Continuing after" in err
    assert description_of(server.base_url, out.decode().strip()) == plain
    assert upload_ids(server.base_url) - before == {out.decode().strip()}
    assert upload.saved() == []


def test_command_killed_after_the_last_byte_sends_nothing_twice(
    server: RunningUploader, file: Path, upload: UploadCommand, line: Line
) -> None:
    process = begin(upload, server, line, file)
    (saved,) = upload.saved()
    content, resumable_id = saved.read_bytes(), saved_id(upload)
    line.mend()
    assert process.communicate()[0].decode().strip() == resumable_id
    assert upload.saved() == []
    saved.write_bytes(content)  # as a command leaves it that dies before it has read the last response
    code, out, err = upload.run(line_url(line), file)
    assert (code, out.strip()) == (ExitCode.OK, resumable_id), err
    assert "An earlier run has sent all of it" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_command_says_how_to_continue_and_does(
    server: RunningUploader,
    plain: dict[str, Any],
    file: Path,
    upload: UploadCommand,
    line: Line,
    number: signal.Signals,
) -> None:
    process = begin(upload, server, line, file)
    out, err = end(process, line, number)
    assert (process.returncode, out) == (ExitCode.TEMPORARY_FAILURE, b"")
    assert b"run the same command again" in err
    assert b"Traceback" not in err
    code, said, problems = upload.run(line_url(line), file)
    assert code == ExitCode.OK, problems
    assert "Continuing after" in problems
    assert description_of(server.base_url, said.strip()) == plain


def test_uploader_that_is_killed_again_and_again_is_waited_for(
    plain: dict[str, Any], file: Path, upload: UploadCommand, tmp_path: Path
) -> None:
    with killed_uploader(tmp_path / "stack") as uploader:
        host, port = uploader.url.removeprefix("http://").split(":")
        with network_line(host, int(port)) as line:
            line.cut_after(MORE_BYTES, Cut.SILENCE)
            process = upload.start(line_url(line), file)
            for _ in range(3):
                wait_until(lambda: line.is_cut, what="the uploader is receiving", deadline_s=120)
                uploader.kill_all()
                line.mend(cut_after=(MORE_BYTES, Cut.SILENCE))
            line.mend()
            out, err = process.communicate()
        assert process.returncode == ExitCode.OK, err
        assert b"trying again" in err
        assert description_of(uploader.url, out.decode().strip())["chunks"] == plain["chunks"]
        assert upload_ids(uploader.url) == {out.decode().strip()}


def test_line_that_is_cut_and_mended_is_survived(
    server: RunningUploader, plain: dict[str, Any], file: Path, upload: UploadCommand, line: Line
) -> None:
    process = begin(upload, server, line, file)
    line.cut(Cut.RESET)
    line.mend()
    out, err = process.communicate()
    assert process.returncode == ExitCode.OK, err
    assert description_of(server.base_url, out.decode().strip()) == plain


def test_directory_is_sent_whole_after_it_was_stopped_in_the_middle(
    server: RunningUploader, upload: UploadCommand, line: Line, tmp_path: Path
) -> None:
    directory = tmp_path / "in"
    directory.mkdir()
    files = {"a.csv": ROWS[:500_000], "b.csv.gz": gzip.compress(ROWS, compresslevel=0), "c.csv": ROWS[:700_000]}
    files = {name: content if name.endswith("gz") else whole_rows(content) for name, content in files.items()}
    for name, content in files.items():
        (directory / name).write_bytes(content)
    before = upload_ids(server.base_url)
    process = begin(upload, server, line, directory)
    end(process, line, signal.SIGTERM)
    assert process.returncode == ExitCode.TEMPORARY_FAILURE
    code, out, err = upload.run(line_url(line), directory)
    assert code == ExitCode.OK, err
    assert "a.csv: An earlier run has sent all of it" in err
    assert "3 of 3 files uploaded" in err
    ids = out.split()
    assert upload_ids(server.base_url) - before == set(ids)
    for upload_id, (name, content) in zip(ids, files.items(), strict=True):
        plain = send_plainly(server.base_url, name, content)
        assert description_of(server.base_url, upload_id) == description_of(server.base_url, plain)


def whole_rows(content: bytes) -> bytes:
    return content[: content.rindex(b'"\r\n') + 3]


@pytest.mark.parametrize("knows_its_upload", [True, False])
def test_file_that_changed_meanwhile_is_sent_afresh(
    server: RunningUploader, file: Path, upload: UploadCommand, line: Line, knows_its_upload: bool
) -> None:
    process = begin(upload, server, line, file)
    end(process, line)
    abandoned = saved_id(upload)
    if not knows_its_upload:  # as a command leaves it that dies before it has read the response to the creation
        (saved,) = upload.saved()
        saved.write_text(json.dumps({**json.loads(saved.read_text()), "resumable_id": None}))
    file.write_bytes(ROWS + b"0,new\r\n")
    code, out, err = upload.run(line_url(line), file)
    assert code == ExitCode.OK, err
    assert "has changed" in err
    plain = send_plainly(server.base_url, "people.csv", file.read_bytes())
    assert description_of(server.base_url, out.strip()) == description_of(server.base_url, plain)
    assert httpx.head(f"{server.base_url}/files/{abandoned}", headers=TUS, trust_env=False).status_code == 410


def test_file_that_changed_unnoticed_is_not_taken_for_sent(
    server: RunningUploader, file: Path, upload: UploadCommand, line: Line
) -> None:
    process = begin(upload, server, line, file)
    end(process, line)
    status = file.stat()
    with file.open("r+b") as opened:
        opened.write(b"ID")  # in what was sent already
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    code, out, err = upload.run(line_url(line), file)
    assert (code, out) == (ExitCode.CHECK_FAILED, "")
    assert "received other bytes" in err
    assert upload.saved() == []


def test_upload_that_is_gone_at_the_uploader_is_sent_afresh(
    server: RunningUploader, plain: dict[str, Any], file: Path, upload: UploadCommand, line: Line
) -> None:
    process = begin(upload, server, line, file)
    end(process, line)
    address = f"{server.base_url}/files/{saved_id(upload)}"
    assert httpx.delete(address, headers=TUS, trust_env=False).status_code == 204
    code, out, err = upload.run(line_url(line), file)
    assert code == ExitCode.OK, err
    assert "starting afresh" in err
    assert description_of(server.base_url, out.strip()) == plain


def test_invalid_file_is_refused_at_its_place_also_if_the_response_is_lost(
    server: RunningUploader, upload: UploadCommand, tmp_path: Path, dice: random.Random
) -> None:
    path = tmp_path / "broken.csv"
    path.write_bytes(ROWS + b"1,2,3\r\n" + ROWS)
    with breaking_proxy("127.0.0.1", server.port, breaks=3, most_bytes=len(ROWS), dice=dice) as proxy:
        code, out, err = upload.run(proxy.url, path)
    assert (code, out) == (ExitCode.INVALID_INPUT, "")
    assert "Invalid CSV" in err
    assert "problem invalid_csv" in err
    assert "row 200000" in err
    assert upload.saved() == []


def test_second_process_with_the_same_file_is_refused(
    server: RunningUploader, file: Path, upload: UploadCommand, line: Line
) -> None:
    process = begin(upload, server, line, file)
    process.send_signal(signal.SIGSTOP)  # or it may have sent the file before the other one has started
    line.mend()
    try:
        code, _, err = upload.run(line_url(line), file)
    finally:
        process.send_signal(signal.SIGCONT)
    assert code == ExitCode.TEMPORARY_FAILURE, err
    assert "[upload_in_use]" in err
    assert process.communicate()[0]
    assert process.returncode == ExitCode.OK


def test_file_that_is_written_to_while_it_is_sent_is_given_up(
    server: RunningUploader, file: Path, upload: UploadCommand, line: Line
) -> None:
    file.write_bytes(ROWS * 8)  # more than the buffers of the line, so that the end was not read yet
    process = begin(upload, server, line, file)
    resumable_id = saved_id(upload)
    with file.open("ab") as opened:
        opened.write(b"0,late\r\n")
    line.mend()
    _, err = process.communicate()
    assert process.returncode == ExitCode.SOURCE_MISSING, err
    assert b"Nothing was kept" in err
    assert upload.saved() == []
    address = f"{server.base_url}/files/{resumable_id}"
    assert httpx.head(address, headers=TUS, trust_env=False).status_code == 410
    assert resumable_id not in upload_ids(server.base_url)
