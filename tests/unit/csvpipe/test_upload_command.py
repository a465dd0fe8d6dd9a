"""``csvpipe upload`` as its user sees it, against an uploader that answers as it is told."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from contracts.exit_codes import ExitCode
from csvpipe.upload.saved_uploads import state_directory
from tests.support.uploader.fake_uploader import UPLOAD_ID, FakeUploader, run_fake_uploader, status_document

CONTENT = b"a,b\n1,2\n"
Upload = Callable[..., int]


@pytest.fixture
def fake() -> Iterator[FakeUploader]:
    with run_fake_uploader() as fake:
        fake.accept(CONTENT)
        yield fake


@pytest.fixture
def upload(run: Callable[..., int], fake: FakeUploader, tmp_path: Path) -> Upload:
    """Run ``csvpipe upload`` in a directory with ``x.csv``."""
    (tmp_path / "x.csv").write_bytes(CONTENT)
    return lambda *arguments: run("upload", *arguments, "--dataset", "flights", "--url", fake.url)


def saved() -> list[Path]:
    return list(state_directory().iterdir()) if state_directory().exists() else []


def test_id_alone_is_on_stdout(upload: Upload, fake: FakeUploader, capsys: pytest.CaptureFixture[str]) -> None:
    assert upload("x.csv", "--chunk-type", "rows", "--no-strict") == ExitCode.OK
    shown = capsys.readouterr()
    assert shown.out == f"{UPLOAD_ID}\n"
    assert "1 row, 8 B, sha256 " in shown.err
    assert fake.fields == {
        "dataset_name": "flights",
        "strict": "false",
        "chunk_type": "rows",
        "filename": "x.csv",
    }
    assert fake.length == len(CONTENT)
    assert fake.content == CONTENT
    assert saved() == []


def test_lenient_upload_prints_what_was_accepted(
    upload: Upload, fake: FakeUploader, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.answer["accepted_deviations"] = {"surplus_empty_cells": 1, "blank_last_lines": 0}
    assert upload("x.csv", "--lenient") == ExitCode.OK
    assert fake.fields["strict"] == "lenient"
    assert "accepted: 1 row with surplus empty cells, 0 blank lines at the end" in capsys.readouterr().err


def test_lenient_and_no_strict_exclude_each_other(upload: Upload) -> None:
    assert upload("x.csv", "--lenient", "--no-strict") == ExitCode.USAGE


@pytest.mark.parametrize("given", [None, "a-key-of-my-own"])
def test_creation_whose_response_is_lost_is_repeated_under_the_same_key(
    given: str | None, upload: Upload, fake: FakeUploader
) -> None:
    fake.lost = 1
    assert upload("x.csv", *([] if given is None else ["--idempotency-key", given])) == ExitCode.OK
    first, second = fake.keys
    assert first == second == (given or first)
    assert fake.content == CONTENT


def test_lost_response_to_the_last_byte_sends_nothing_twice(upload: Upload, fake: FakeUploader) -> None:
    fake.lost, fake.lost_method = 1, "PATCH"
    assert upload("x.csv") == ExitCode.OK
    assert (fake.offsets, len(fake.keys)) == ([0], 1)


def test_key_of_the_user_is_for_one_file(upload: Upload, tmp_path: Path) -> None:
    (tmp_path / "y.csv").write_bytes(CONTENT)
    assert upload("x.csv", "y.csv", "--idempotency-key", "k") == ExitCode.USAGE


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [(503, ExitCode.TEMPORARY_FAILURE), (500, ExitCode.CHECK_FAILED), (504, ExitCode.TEMPORARY_FAILURE)],
)
def test_lasting_fault_of_the_uploader_ends_the_patience(
    status: int, exit_code: ExitCode, upload: Upload, fake: FakeUploader, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.status, fake.answer = status, {"title": "Not available", "detail": "the database does not answer"}
    assert upload("x.csv", "--retry-for", "0.5") == exit_code
    shown = capsys.readouterr().err
    assert "the database does not answer" in shown
    assert "--retry-for" in shown
    assert len(fake.keys) == 2
    assert len(saved()) == 1, "the next run uses the same key"


def test_refused_connection_is_tried_again(
    run: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_bytes(CONTENT)
    with run_fake_uploader() as fake:
        url, port = fake.url, int(fake.url.rpartition(":")[2])
    with ExitStack() as later:

        def serve(_: float) -> None:
            later.enter_context(run_fake_uploader(port)).accept(CONTENT)

        monkeypatch.setattr("csvpipe.upload.patience.time.sleep", serve)
        assert run("upload", "x.csv", "--dataset", "flights", "--url", url) == ExitCode.OK
    assert "trying again for up to 600 s" in capsys.readouterr().err


def test_uploader_that_is_never_reached_is_reported(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_bytes(CONTENT)
    with run_fake_uploader() as fake:
        gone = fake.url
    arguments = ("upload", "x.csv", "--dataset", "flights", "--url", gone, "--retry-for", "0")
    assert run(*arguments) == ExitCode.UNAVAILABLE
    assert "CSVPIPE_URL" in capsys.readouterr().err


def test_upload_that_is_gone_starts_afresh_and_says_so(
    upload: Upload, fake: FakeUploader, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.status = 503
    upload("x.csv", "--retry-for", "0")
    (path,) = saved()
    path.write_text(path.read_text().replace('"resumable_id": null', '"resumable_id": "old"'))
    fake.status, fake.gone = 200, 1
    assert upload("x.csv") == ExitCode.OK
    assert "starting afresh" in capsys.readouterr().err
    assert fake.content == CONTENT
    assert len(set(fake.keys)) == 1


def test_refusal_before_the_end_of_the_body_stops_the_sending(
    upload: Upload, fake: FakeUploader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(5 * 1024**3)
    fake.status, fake.early = 413, True
    fake.answer = {"title": "File too large", "detail": "at most 10 MB are taken", "code": "file_too_large"}
    assert upload("large.csv") == ExitCode.INVALID_INPUT
    assert "File too large: at most 10 MB are taken" in capsys.readouterr().err
    assert fake.removed == 1
    assert saved() == []


def test_other_bytes_at_the_uploader_than_were_sent_are_an_error(
    upload: Upload, fake: FakeUploader, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.accept(b"something else")
    assert upload("x.csv") == ExitCode.CHECK_FAILED
    assert "received other bytes" in capsys.readouterr().err
    assert saved() == []


def test_file_name_that_is_not_utf8_is_sent_with_a_replacement(
    upload: Upload, fake: FakeUploader, tmp_path: Path
) -> None:
    name = os.fsdecode(b"caf\xe9.csv")
    (tmp_path / name).write_bytes(CONTENT)
    assert upload(name) == ExitCode.OK
    assert fake.fields["filename"] == "caf\ufffd.csv"


def test_pipe_is_sent_without_its_length(upload: Upload, fake: FakeUploader, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as writer:
        writer.submit((tmp_path / "pipe").write_bytes, CONTENT)
        fake.lost = 1
        assert upload("pipe") == ExitCode.OK
    assert fake.content == CONTENT
    assert saved() == []


def test_brackets_in_names_and_errors_are_shown_as_they_are(
    upload: Upload, run: Callable[..., int], fake: FakeUploader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("[red]x[nonsense].csv", "[b]y.csv"):
        (tmp_path / name).write_bytes(CONTENT)
    document = status_document("failed", failed=1)
    document["chunks"][0]["error"] = document["error"] = "[Errno 111] refused [/x]"
    assert upload("[red]x[nonsense].csv", "[b]y.csv") == ExitCode.OK
    fake.statuses = [document]
    assert run("status", UPLOAD_ID, "--url", fake.url) == 0
    shown = capsys.readouterr()
    assert "[red]x[nonsense].csv: 1 row" in shown.err
    assert shown.out.count("[Errno 111] refused [/x]") == 2


def test_refused_upload_exits_with_65(upload: Upload, fake: FakeUploader, capsys: pytest.CaptureFixture[str]) -> None:
    fake.status = 400
    fake.answer = {"title": "Invalid CSV", "detail": "row 1: 1 field", "code": "invalid_csv", "row": 1}
    assert upload("x.csv") == ExitCode.INVALID_INPUT
    assert "Invalid CSV: row 1: 1 field\n         [refused, problem invalid_csv, row 1]" in capsys.readouterr().err
    assert saved() == []


def test_file_that_is_not_there_exits_with_66(upload: Upload) -> None:
    assert upload("nowhere.csv") == ExitCode.SOURCE_MISSING


def test_directory_is_sent_file_by_file(
    upload: Upload, fake: FakeUploader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "in"
    (directory / "deeper").mkdir(parents=True)
    for name in ("b.csv", "a.CSV.gz", "notes.txt", ".hidden.csv", "deeper/c.csv"):
        (directory / name).write_bytes(CONTENT)
    assert upload("in") == ExitCode.OK
    shown = capsys.readouterr()
    assert shown.out == f"{UPLOAD_ID}\n" * 2
    assert "2 of 2 files uploaded (16 B)" in shown.err
    assert upload("in", "--recursive") == ExitCode.OK
    assert capsys.readouterr().out == f"{UPLOAD_ID}\n" * 3


def test_fault_of_one_file_does_not_stop_the_others(
    upload: Upload, fake: FakeUploader, capsys: pytest.CaptureFixture[str]
) -> None:
    assert upload("nowhere.csv", "x.csv") == ExitCode.SOURCE_MISSING
    shown = capsys.readouterr()
    assert shown.out == f"{UPLOAD_ID}\n"
    assert "nowhere.csv: Source not found: " in shown.err
    assert "1 of 2 files uploaded (8 B), 1 failed" in shown.err


def test_waiting_for_several_files_names_each(
    upload: Upload, fake: FakeUploader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "y.csv").write_bytes(CONTENT)
    fake.statuses = [status_document("landed", landed=1)]
    assert upload("x.csv", "y.csv", "--wait") == ExitCode.OK
    err = capsys.readouterr().err
    assert "x.csv: landing" in err
    assert "y.csv: landing" in err


def test_repeated_command_sends_only_what_is_missing(
    upload: Upload, fake: FakeUploader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert upload("x.csv", "later.csv") == ExitCode.SOURCE_MISSING
    (tmp_path / "later.csv").write_bytes(CONTENT)
    assert upload("x.csv", "later.csv") == ExitCode.OK
    assert "x.csv: An earlier run has sent all of it" in capsys.readouterr().err
    assert len(fake.keys) == 2, "one creation for each file"
    assert saved() == []


def test_fault_of_the_service_stops_the_command(
    upload: Upload, fake: FakeUploader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "y.csv").write_bytes(CONTENT)
    fake.status, fake.answer = 401, {"title": "Key needed", "detail": "send a key", "code": "unauthenticated"}
    assert upload("x.csv", "y.csv") == ExitCode.PERMISSION_DENIED
    assert len(fake.keys) == 1
    assert "0 of 2 files uploaded (0 B), 1 failed, 1 not sent" in capsys.readouterr().err


def test_upload_works_without_a_place_for_its_state(
    upload: Upload, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    assert upload("x.csv") == ExitCode.OK
    assert "cannot continue" in capsys.readouterr().err


def test_upload_works_on_a_disk_without_locks(
    upload: Upload, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("csvpipe.upload.saved_uploads.fcntl.flock", fail)
    assert upload("x.csv") == ExitCode.OK
    assert "cannot continue this upload, as its state is not saved: No locks available" in capsys.readouterr().err
    assert [path.suffix for path in saved()] == [".lock"]
