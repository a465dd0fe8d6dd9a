"""With ``--json`` the result of a command is one JSON document on stdout, and nothing else is there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from typer.core import TyperGroup

import csvpipe.commands.bucket
import csvpipe.commands.nifi
import csvpipe.commands.sequence
import csvpipe.commands.stack
import csvpipe.commands.verify
import csvpipe.commands.verify_topic
from contracts.exit_codes import ExitCode
from csvpipe.app import COMMANDS, build_app
from csvpipe.verify.s3_objects import S3Objects
from nifi.client import Processor, Queue
from nifi.listen_tls import ListenTls
from nifi.status import FlowStatus
from sequencer.model.checkpoint import Checkpoint, JobStatus
from sequencer.model.progress import Progress
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequestedError
from stack.local import LocalStack
from tests.support.s3.fake_bucket import FakeBucket, lay_out
from tests.support.uploader.fake_uploader import UPLOAD_ID, run_fake_uploader, status_document

SILENT = {
    "audit list",  # lines of JSON
    "demo",
    "keys generate",
    "logout",
    "nifi deploy",
    "openapi",  # is JSON
    "serve",
    "stack down",
    "stack logs",
    "stack prepare",
    "stack prometheus",
    "stack reset",
    "stack restart",
    "stack up",
}
"""Commands that do something, or print what has a format of its own: they have no document."""


def option_help(command: Any) -> dict[str, str]:
    return {name: parameter.help or "" for parameter in command.params for name in parameter.opts}


def all_commands() -> dict[str, Any]:
    """Return every command by its words."""
    found: dict[str, Any] = {}
    for spec in COMMANDS:
        command = typer.main.get_group(build_app(wanted=spec.name)).commands[spec.name]
        if isinstance(command, TyperGroup):
            found |= {f"{spec.name} {name}": child for name, child in command.commands.items()}
        else:
            found[spec.name] = command
    return found


def test_every_command_that_reports_can_print_a_document() -> None:
    commands = all_commands()
    without = {words for words, command in commands.items() if "document" not in option_help(command).get("--json", "")}
    assert without - {"status"} == SILENT
    assert "--json" in option_help(commands["status"])


@pytest.fixture
def document(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Run a command with ``--json`` and return its document."""

    def document(*arguments: str, code: int = 0) -> dict[str, Any]:
        assert run(*arguments, "--json") == code
        return cast("dict[str, Any]", json.loads(capsys.readouterr().out))

    return document


def test_list_is_a_page_of_uploads(document: Callable[..., dict[str, Any]]) -> None:
    upload = status_document("landed", landed=3)
    with run_fake_uploader() as fake:
        fake.statuses = [{"uploads": [upload], "next_cursor": None}]
        page = document("list", "--url", fake.url)
    assert [each["upload_id"] for each in page["uploads"]] == [UPLOAD_ID]
    assert page["uploads"][0]["chunk_counts"] == {"landed": 3}


def test_watched_announcement_is_the_state_at_the_end(document: Callable[..., dict[str, Any]]) -> None:
    with run_fake_uploader() as fake:
        fake.statuses = [status_document("announced", announced=1), status_document("landed", landed=1)]
        assert document("announce", UPLOAD_ID, "--watch", "--url", fake.url)["state"] == "landed"


def test_upload_is_what_the_uploader_accepted(document: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"a\n1\n")
    with run_fake_uploader() as fake:
        fake.accept(b"a\n1\n")
        (upload,) = document("upload", "x.csv", "--dataset", "flights", "--url", fake.url)["uploads"]
    assert (upload["upload_id"], upload["sha256"]) == (UPLOAD_ID, hashlib.sha256(b"a\n1\n").hexdigest())
    assert upload["file"] == "x.csv"


def test_files_that_were_not_accepted_are_in_the_document_with_their_problems(
    document: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_bytes(b"a\n1\n")
    with run_fake_uploader() as fake:
        fake.accept(b"a\n1\n")
        given = ["upload", "nowhere.csv", "x.csv", "--dataset", "flights", "--url", fake.url]
        failed, accepted = document(*given, code=ExitCode.SOURCE_MISSING)["uploads"]
    assert (failed["file"], failed["problem"]["code"]) == ("nowhere.csv", "source_not_found")
    assert (accepted["file"], accepted["upload_id"]) == ("x.csv", UPLOAD_ID)
    (alone,) = document("upload", "nowhere.csv", "--dataset", "flights", code=ExitCode.SOURCE_MISSING)["uploads"]
    assert alone == failed


def test_upload_that_does_not_land_has_its_document_all_the_same(
    document: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_bytes(b"a\n1\n")
    with run_fake_uploader() as fake:
        fake.accept(b"a\n1\n")
        fake.statuses = [status_document("failed", failed=1)]
        given = ["upload", "x.csv", "--dataset", "flights", "--wait", "--url", fake.url]
        (upload,) = document(*given, code=ExitCode.CHECK_FAILED)["uploads"]
    assert upload["upload_id"] == UPLOAD_ID


def test_key_of_a_profile_has_no_control_characters(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    own = {
        "name": "night\x9b2Jly",
        "permissions": ["upload"],
        "datasets": ["*"],
        "uploads_per_minute": None,
        "concurrent_uploads": None,
        "max_file_size_mb": None,
        "expires_at": None,
    }
    (tmp_path / "key").write_text("csvp_00000000_x\n")
    with run_fake_uploader() as fake:
        fake.statuses = [own]
        assert run("login", "--url", fake.url, "--key-file", "key", "--json") == 0
    shown = capsys.readouterr().out
    assert "\x9b" not in shown
    assert json.loads(shown) == own


@pytest.mark.parametrize("is_new", [True, False])
def test_bucket_says_whether_it_was_created(
    is_new: bool, document: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(S3Objects, "create_bucket", lambda *_args, **_more: is_new)
    monkeypatch.setenv("S3_ENDPOINT", "http://127.0.0.1:9")
    assert document("bucket", "raw-data") == {"bucket": "raw-data", "created": is_new}


@pytest.mark.parametrize("damaged", [False, True])
def test_verification_names_each_chunk_and_each_difference(
    damaged: bool, document: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, bucket = lay_out("a\n", [["1\n"], ["2\n", "3\n"]])
    if damaged:
        bucket.objects[manifest.chunks[1].key] = b"a\n2\n4\n"

    def fake_connect(_settings: object) -> FakeBucket:
        return bucket

    monkeypatch.setattr(csvpipe.commands.verify, "connect", fake_connect)
    with run_fake_uploader() as fake:
        fake.statuses = [manifest.model_dump(mode="json")]
        found = document(
            "verify",
            manifest.upload_id,
            "--from-uploader",
            "--url",
            fake.url,
            code=ExitCode.CHECK_FAILED if damaged else ExitCode.OK,
        )
    assert (found["verified"], found["source"]["row_count"]) == (not damaged, 3)
    assert [len(chunk["differences"]) for chunk in found["chunks"]] == [0, 1 if damaged else 0]
    rebuilt = None if damaged else {"size_bytes": 8, "sha256": manifest.source_sha256, "row_count": 3}
    assert found["rebuilt"] == rebuilt


class FakeLog:
    """A partition with one record a line."""

    def __init__(self, lines: list[int]) -> None:
        self._values = [f'{{"a":"x","_source_line":{line},"_source_file":"a.csv"}}'.encode() for line in lines]

    def ends(self) -> tuple[int, int]:
        return 0, len(self._values)

    def batches(self, begin: int, end: int) -> Iterator[tuple[list[int], list[bytes]]]:
        yield list(range(begin, end)), self._values[begin:end]

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("options", "lines", "checked", "verified"),
    [
        ([], [1, 2, 3], "lines", True),
        ([], [1, 3], "lines", False),
        (["--count-only"], [1, 2], "count", None),
        (["--count-only", "--expect-rows", "2"], [1, 2], "count", True),
        (["--count-only", "--expect-rows", "2"], [1, 2, 3], "count", False),
    ],
)
def test_topic_says_what_was_checked_and_the_result(
    options: list[str],
    lines: list[int],
    checked: str,
    verified: bool | None,
    document: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fake_log(_settings: JobSettings, *, committed: bool) -> FakeLog:
        assert committed
        return FakeLog(lines)

    for name in JobSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(csvpipe.commands.verify_topic, "_log", fake_log)
    code = ExitCode.CHECK_FAILED if verified is False else ExitCode.OK
    found = document("verify-topic", "--bootstrap-servers", "b:9092", "--topic", "rows", *options, code=code)
    assert (found["topic"], found["partition"], found["checked"]) == ("rows", 0, checked)
    assert (found["verified"], found["last_offset"]) == (verified, len(lines) - 1)


@pytest.mark.parametrize("outcome", ["done", "stopped", "stopped before the start"])
def test_sequencing_reports_each_job(
    outcome: str, document: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fake_run(_settings: JobSettings, *, observers: list[Any], **_more: Any) -> list[Checkpoint]:
        for observe in observers:
            observe("job", Progress(total_bytes=1, records_sent=2))
        if outcome == "stopped before the start":
            raise StopRequestedError("SIGTERM")
        moment = datetime(2026, 1, 31, tzinfo=UTC)
        at = {"topic": "rows", "partition": 1, "first_offset": 5, "total_sent": 2, "last_offset": 6}
        return [Checkpoint(job_id="job", timestamp=moment, status=JobStatus(outcome), **at)]  # type: ignore[arg-type]  # of several types

    for name in JobSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    (tmp_path / "a.csv").write_text("a\n1\n")
    monkeypatch.setattr(csvpipe.commands.sequence, "run_process", fake_run)
    options = ["--source", "a.csv", "--bootstrap-servers", "b:9092", "--topic", "rows", "--job-id", "job"]
    found = document("sequence", *options)
    assert (found["stopped"] is None) == (outcome == "done")
    expected = [] if outcome == "stopped before the start" else [("job", outcome, 2, 5, 6)]
    facts = ("job_id", "status", "records", "first_offset", "last_offset")
    assert [tuple(job[name] for name in facts) for job in found["jobs"]] == expected


def test_dry_run_counts(document: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n2\n")
    found = document("sequence", "--source", "a.csv", "--dry-run")
    assert (found["records"], found["dead_lettered"]) == (2, 0)


def test_stack_that_does_not_run_lists_its_processes(
    document: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stack = LocalStack(root=tmp_path / "run", dist=tmp_path / "dist")

    def fake_open() -> LocalStack:
        return stack

    monkeypatch.setattr(csvpipe.commands.stack, "open_stack", fake_open)
    found = document("stack", "status", code=ExitCode.CHECK_FAILED)
    assert found["ready"] is False
    assert {"kafka", "uploader"} <= {process["component"] for process in found["processes"]}
    assert {process["state"] for process in found["processes"]} == {"stopped"}
    assert {each["name"] for each in found["components"]} == set(stack.components)


def test_flow_with_a_fault_is_reported(
    document: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    status = FlowStatus(
        url="http://127.0.0.1:8081",
        version="2.0.0",
        processors=[Processor(name="PutS3Object", state="STOPPED", validation="VALID", errors=())],
        services=[],
        queues=[Queue(source="a", destination="b", count=1, size_bytes=5)],
        unset_parameters=[],
        s3_nar="Apache",
        listen_tls=ListenTls.NONE,
        authorized_subject=None,
        changes=[],
    )

    def fake_status(**_given: object) -> FlowStatus:
        return status

    monkeypatch.setattr(csvpipe.commands.nifi, "flow_status", fake_status)
    found = document("nifi", "status", "--url", status.url, code=ExitCode.CHECK_FAILED)
    assert (found["faults"], found["listen_tls"]) == (status.faults, "none")
    assert found["queues"] == [{"source": "a", "destination": "b", "count": 1, "size_bytes": 5}]
