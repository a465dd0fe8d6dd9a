"""The shell completes commands, options and values, and a command that cannot be loaded says nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from contracts.exit_codes import ExitCode
from csvpipe.app import COMMANDS

_HEAVY = {"httpx", "boto3", "uvicorn", "fastapi", "nipyapi", "sqlalchemy", "numpy", "airflow"}


@pytest.fixture
def complete(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[str]]:
    """Complete the last word of a line as the script in bash does."""

    def complete(line: str) -> list[str]:
        words = line.split(" ")
        monkeypatch.setenv("_CSVPIPE_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        assert run() == ExitCode.OK
        return capsys.readouterr().out.split()

    return complete


def test_commands_are_completed(complete: Callable[..., list[str]]) -> None:
    assert complete("csvpipe ") == [spec.name for spec in COMMANDS]
    assert complete("csvpipe log") == ["login", "logout"]


def test_options_and_values_of_a_command_are_completed(complete: Callable[..., list[str]]) -> None:
    assert complete("csvpipe upload --chunk-t") == ["--chunk-type"]
    assert complete("csvpipe upload --chunk-type r") == ["rows"]


def test_commands_of_a_group_are_completed(complete: Callable[..., list[str]]) -> None:
    assert complete("csvpipe keys re") == ["revoke"]
    assert complete("csvpipe audit verify --anch") == ["--anchor"]


def test_other_shells_give_the_line_in_another_variable(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_CSVPIPE_COMPLETE", "complete_zsh")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "csvpipe audit ver")
    assert run() == ExitCode.OK
    assert '"verify"' in capsys.readouterr().out


def test_command_whose_package_is_missing_completes_nothing_silently(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("csvpipe.extras.find_spec", lambda name: None if name == "nipyapi" else object())
    monkeypatch.setenv("_CSVPIPE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "csvpipe nifi ")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert run() == ExitCode.CONFIGURATION
    assert capsys.readouterr() == ("", "")


def test_commands_are_completed_without_the_import_of_one() -> None:
    code = (
        f"import sys\nfrom csvpipe.cli import main\ntry: main([])\nfinally: print(len({_HEAVY!r} & set(sys.modules)))"
    )
    line = {"_CSVPIPE_COMPLETE": "complete_bash", "COMP_WORDS": "csvpipe ", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=line)
    assert done.stdout.splitlines()[-1] == "0"
