from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from csvpipe.app import COMMANDS, CommandSpec
from csvpipe.cli import main
from csvpipe.exits import ExitCode
from tests.unit.csvpipe.fake_uploader import run_fake_uploader

HEAVY = {"httpx", "boto3", "uvicorn", "fastapi", "nipyapi", "sqlalchemy", "numpy", "airflow"}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """Run a command line in an empty directory, with no settings but those given here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("csvpipe.local_stack.client_values", dict)
    for name in ("CSVPIPE_URL", "S3_ENDPOINT", "S3_BUCKET", "API_PORT", "KAFKA_BROKER", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> int:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        return int(caught.value.code or 0)

    return run


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


def test_wrong_setting_of_the_uploader_is_named_without_a_traceback(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_PARTITIONS", "none")
    assert run("serve") == ExitCode.CONFIGURATION
    shown = capsys.readouterr().err
    assert "KAFKA_PARTITIONS" in shown
    assert "Traceback" not in shown


def test_wrong_address_of_the_uploader_is_named(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status", "x", "--url", "localhost:8000") == ExitCode.CONFIGURATION
    assert "CSVPIPE_URL" in capsys.readouterr().err


def test_upload_prints_the_id_alone_on_stdout(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = b"a,b\n1,2\n"
    (tmp_path / "x.csv").write_bytes(content)
    with run_fake_uploader() as fake:
        fake.accept(content)
        assert (
            run("upload", "x.csv", "--dataset", "flights", "--chunk-type", "rows", "--no-strict", "--url", fake.url)
            == 0
        )
        fields = [data for _, data in fake.parts[:-1]]
    assert capsys.readouterr().out == "a" * 32 + "\n"
    assert fields == [b"flights", b"false", b"rows"]


def test_refused_upload_exits_with_65(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_bytes(b"a,b\n1\n")
    with run_fake_uploader() as fake:
        fake.status, fake.answer = (
            400,
            {"title": "Invalid CSV", "detail": "row 1: 1 field", "code": "invalid_csv", "row": 1},
        )
        assert run("upload", "x.csv", "--dataset", "flights", "--url", fake.url) == ExitCode.REFUSED
    assert "Invalid CSV: row 1: 1 field\n         [refused, problem invalid_csv, row 1]" in capsys.readouterr().err


def test_file_that_is_not_there_exits_with_65(run: Callable[..., int]) -> None:
    assert run("upload", "nowhere.csv", "--dataset", "flights") == ExitCode.REFUSED


def test_unknown_command_is_wrong_usage(run: Callable[..., int]) -> None:
    assert run("uplaod") == ExitCode.USAGE
