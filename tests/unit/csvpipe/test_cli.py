from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from rich.text import Text

from contracts.exit_codes import ExitCode
from csvpipe.app import COMMANDS, CommandSpec
from csvpipe.commands.verify import conclusion
from csvpipe.extras import NoCheckoutError, require_checkout
from csvpipe.verify.report import Difference, SourceReport, UploadReport
from tests.support.s3.fake_bucket import lay_out
from tests.support.uploader.fake_uploader import UPLOAD_ID, run_fake_uploader, status_document

END = "-- end --"
HEAVY = {"httpx", "boto3", "uvicorn", "fastapi", "nipyapi", "sqlalchemy", "numpy", "airflow"}


def test_help_lists_every_command_and_the_exit_codes(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--help") == 0
    shown = capsys.readouterr().out
    assert all(spec.name in shown for spec in COMMANDS)
    assert all(str(int(code)) in shown for code in ExitCode)


def test_help_imports_nothing_heavy() -> None:
    code = (
        f"import sys\nfrom csvpipe.cli import main\ntry: main(['--help'])\nfinally: print({HEAVY!r} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("spec", COMMANDS, ids=lambda spec: spec.name)
def test_every_command_explains_itself(spec: CommandSpec, run: Callable[..., int]) -> None:
    assert run(spec.name, "--help") == 0


def test_missing_package_names_the_extra(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "csvpipe.commands.serve", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert run("serve") == ExitCode.CONFIGURATION
    assert "pip install 'csvpipe[uploader]'" in capsys.readouterr().err


def test_lazily_imported_package_is_checked_first(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("csvpipe.extras.find_spec", lambda name: None if name == "airflow" else object())
    assert run("stack", "status") == ExitCode.CONFIGURATION
    assert "pip install 'csvpipe[stack]'" in capsys.readouterr().err


def test_stack_outside_a_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoCheckoutError):
        require_checkout(what="csvpipe stack", root=tmp_path)


def test_wrong_setting_of_the_uploader_is_named_without_a_traceback(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_PARTITIONS", "none")
    assert run("serve") == ExitCode.CONFIGURATION
    shown = capsys.readouterr().err
    assert "KAFKA_PARTITIONS" in shown
    assert "Traceback" not in shown


def test_wrong_address_of_the_uploader_is_named(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status", UPLOAD_ID, "--url", "localhost:8000") == ExitCode.CONFIGURATION
    shown = capsys.readouterr().err
    assert "CSVPIPE_URL" in shown
    assert "--url" in shown


def test_following_begins_with_an_answer(run: Callable[..., int]) -> None:
    with run_fake_uploader() as fake:
        fake.lost, fake.statuses = 1, [status_document("landed", landed=1)]
        assert run("status", UPLOAD_ID, "--watch", "--url", fake.url) == ExitCode.UNAVAILABLE
        assert run("status", UPLOAD_ID, "--watch", "--url", fake.url) == ExitCode.OK


def test_conclusion_names_files_and_differences_as_they_are() -> None:
    manifest, _ = lay_out("a\n", [["1\n"]])
    manifest = manifest.model_copy(update={"source_filename": "[b]x[/i].csv"})
    verified = UploadReport(manifest, source=SourceReport(2, "0" * 64, 1))
    assert "VERIFIED [b]x[/i].csv: 1 row," in Text.from_markup(conclusion(verified)).plain
    differences = [Difference("[a]", f"[/{number}]") for number in range(13)]
    shown = Text.from_markup(conclusion(UploadReport(manifest, differences=differences))).plain.splitlines()
    assert shown[0] == "MISMATCH [a]: [/0]"
    assert len(shown) == 12
    assert shown[-1] == "  ... and 2 more"


def test_status_shows_each_chunk_and_what_failed(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    with run_fake_uploader() as fake:
        fake.statuses = [status_document("failed", landed=1, failed=1)]
        assert run("status", UPLOAD_ID, "--url", fake.url) == 0
    shown = capsys.readouterr().out
    assert "status   failed (1 landed, 1 failed)" in shown
    assert "flights_chunk_002_x.csv" in shown
    assert "not there after 600 s" in shown


def test_watched_upload_that_fails_exits_with_1(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    with run_fake_uploader() as fake:
        fake.statuses = [status_document("announced", announced=2), status_document("failed", landed=1, failed=1)]
        assert run("status", UPLOAD_ID, "--watch", "--url", fake.url) == ExitCode.CHECK_FAILED
    assert f"csvpipe announce {UPLOAD_ID}" in capsys.readouterr().err


def test_watched_upload_that_is_deleted_cannot_be_announced(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with run_fake_uploader() as fake:
        fake.statuses = [status_document("aborted", failed=1)]
        assert run("status", UPLOAD_ID, "--watch", "--url", fake.url) == ExitCode.CHECK_FAILED
    shown = capsys.readouterr().err
    assert ("is aborted" in shown, "announce" in shown) == (True, False)


def test_failed_upload_is_announced_and_followed_until_it_has_landed(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with run_fake_uploader() as fake:
        fake.statuses = [status_document("announced", landed=1, announced=1), status_document("landed", landed=2)]
        assert run("announce", UPLOAD_ID, "--watch", "--url", fake.url) == 0
    assert fake.announced == [UPLOAD_ID]
    assert capsys.readouterr().out.splitlines() == [
        f"Announced: {UPLOAD_ID} (1 announced, 1 landed)",
        f"Landed: {UPLOAD_ID}",
    ]


def test_landed_upload_is_announced_for_its_manifest(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with run_fake_uploader() as fake:
        fake.statuses = [status_document("landed", landed=2)]
        assert run("announce", UPLOAD_ID, "--watch", "--url", fake.url) == 0
    assert fake.announced == [UPLOAD_ID]
    assert "manifest" in capsys.readouterr().out


def test_announcing_without_the_permission_exits_with_77(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = {"title": "Permission missing", "detail": "needs operate", "code": "permission_denied"}
    with run_fake_uploader() as fake:
        fake.status, fake.answer = 403, refusal
        assert run("announce", UPLOAD_ID, "--url", fake.url) == ExitCode.PERMISSION_DENIED
    assert "needs operate" in capsys.readouterr().err


def test_json_is_the_answer_as_it_came(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    document = status_document("landed", landed=1)
    with run_fake_uploader() as fake:
        fake.statuses = [document]
        assert run("status", UPLOAD_ID, "--json", "--url", fake.url) == 0
    assert json.loads(capsys.readouterr().out) == document


def test_list_shows_a_line_an_upload_and_cuts_no_id(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with run_fake_uploader() as fake:
        fake.statuses = [{"uploads": [status_document("landed", landed=3)], "next_cursor": None}]
        assert run("list", "--dataset", "flights", "--url", fake.url) == 0
        assert fake.path == "/uploads?dataset=flights&limit=20"
    shown = capsys.readouterr().out.splitlines()[1]
    assert UPLOAD_ID in shown
    assert shown.rstrip().endswith("flights.csv")


@pytest.mark.parametrize("columns", [(20, 40, 80), None], ids=["terminals", "a pipe"])
def test_list_cuts_no_id_and_no_dataset_and_the_names_of_files_on_a_terminal_alone(
    columns: tuple[int, ...] | None,
) -> None:
    datasets = ["flights", "d" * 64, "d" * 150]
    name = "everything that was sold in the northern region, corrected 2026-01-31.csv"
    upload = {**status_document("landed", landed=3), "source_filename": name}
    widths = columns or (None,)
    with run_fake_uploader() as fake:
        fake.statuses = [
            {"uploads": [{**upload, "dataset_name": dataset}], "next_cursor": None}
            for _ in widths
            for dataset in datasets
        ]
        lists = shown_on(["list", "--url", fake.url], columns=columns, times=len(datasets))
    shown_name = "everything t\u20266-01-31.csv" if columns else name
    for dataset, shown in zip(datasets * len(widths), lists, strict=True):
        assert (UPLOAD_ID in shown, dataset in shown, shown_name in shown) == (True, True, True)


@pytest.mark.parametrize("columns", [(20, 40), None], ids=["terminals", "a pipe"])
def test_status_cuts_and_folds_no_name_of_a_file(columns: tuple[int, ...] | None) -> None:
    with run_fake_uploader() as fake:
        fake.statuses = [status_document("landed", landed=1)]
        shown = shown_on(["status", UPLOAD_ID, "--url", fake.url], columns=columns)
        (chunk,) = fake.statuses[0]["chunks"]
    assert [chunk["filename"] in each for each in shown] == [True] * len(columns or (None,))


_SEVERAL_TIMES = f"""
import json, sys, termios
from csvpipe.cli import main
for columns in json.loads(sys.argv[1]):
    if columns is not None:
        termios.tcsetwinsize(sys.stdout.fileno(), (24, columns))
    for _ in range(int(sys.argv[2])):
        try:
            main(sys.argv[3:])
        except SystemExit as ended:
            assert not ended.code
        print("{END}", flush=True)
"""


def shown_on(command: list[str], *, columns: tuple[int, ...] | None, times: int = 1) -> list[str]:
    """Return what a command prints each time on terminals so wide; None: into a pipe. One process runs it."""
    argv = [sys.executable, "-c", _SEVERAL_TIMES, json.dumps(columns or [None]), str(times), *command]
    if columns is None:
        return _each_time(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    master, terminal = pty.openpty()
    given = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    with subprocess.Popen(argv, stdout=terminal, stderr=terminal, env={**given, "TERM": "xterm"}) as process:
        os.close(terminal)
        shown = bytearray()
        with suppress(OSError), os.fdopen(master, "rb", buffering=0) as screen:  # Linux ends a terminal with EIO
            while data := screen.read(65536):
                shown += data
    assert process.returncode == 0, shown
    return _each_time(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r\n", "\n"))


def _each_time(shown: str) -> list[str]:
    *texts, last = shown.split(f"{END}\n")
    assert last == ""
    return texts


def test_unknown_command_is_wrong_usage(run: Callable[..., int]) -> None:
    assert run("uplaod") == ExitCode.USAGE


def test_interruption_while_a_command_is_imported_ends_without_a_traceback(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_name: str, **_options: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("csvpipe.app.import_with_hint", interrupt)
    assert run("list") == 130
    assert capsys.readouterr().err == ""


def test_paragraphs_of_help_are_wrapped_by_the_terminal_alone(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 80)
    for names, words in {("recover",): "as serve does", ("audit", "verify"): "its link to the one before"}.items():
        assert run(*names, "--help") == 0
        text = capsys.readouterr().out.partition("─ Options ─")[0]
        lines = [line.strip() for line in text.splitlines()]
        assert words in " ".join(lines)
        broken = [one for one, after in pairwise(lines) if one and after and len(one) < 60]
        assert broken == []
