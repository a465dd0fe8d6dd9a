"""The key on its way from the user to the uploader, and what the uploader says about it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contracts.api import KeyOfCaller
from contracts.exit_codes import ExitCode
from csvpipe.cli import main
from csvpipe.commands.login import describe
from csvpipe.profiles import config_file, load_profile
from tests.support.uploader.fake_uploader import UPLOAD_ID, FakeUploader, run_fake_uploader, status_document

KEY = "csvp_abcd1234_" + "k" * 43
OWN = {
    "name": "nightly",
    "permissions": ["upload", "read"],
    "datasets": ["sales_*"],
    "uploads_per_minute": 30,
    "concurrent_uploads": None,
    "max_file_size_mb": None,
    "expires_at": "2027-01-31T00:00:00Z",
}
UNAUTHENTICATED = {"title": "Not authenticated", "detail": "the key is not known", "code": "unauthenticated"}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("csvpipe.local_stack.client_values", dict)
    monkeypatch.setattr("csvpipe.service.client_values", dict)

    def run(*arguments: str) -> int:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        return int(caught.value.code or 0)

    return run


@pytest.fixture
def fake() -> Iterator[FakeUploader]:
    with run_fake_uploader() as fake:
        fake.statuses = [OWN]
        yield fake


def test_key_typed_at_the_prompt_is_checked_stored_and_never_shown(fake: FakeUploader) -> None:
    shown = type_key(["login", "--url", fake.url], KEY)
    assert fake.path == "/own-key"
    assert fake.request_headers["Authorization"] == f"Bearer {KEY}"
    assert "sales_*" in shown
    assert "30 uploads a minute" in shown
    assert KEY not in shown
    profile = load_profile("default")
    assert profile is not None
    assert profile.key is not None
    assert (profile.url, profile.key.get_secret_value()) == (fake.url, KEY)


@pytest.mark.parametrize(
    ("limit", "text"), [(0, "any number of uploads a minute"), (1, "1 upload a minute"), (2, "2 uploads a minute")]
)
def test_limit_is_in_the_singular_for_one_upload(limit: int, text: str) -> None:
    assert text in describe(KeyOfCaller.model_validate({**OWN, "uploads_per_minute": limit}))


def type_key(command: list[str], key: str) -> str:
    """Run a command on a terminal, type ``key`` when it asks, and return everything on the screen."""
    master, terminal = pty.openpty()
    argv = [sys.executable, "-m", "csvpipe", *command]
    with subprocess.Popen(argv, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        screen = b""
        try:
            while data := os.read(master, 65536):
                if b"Key" in data and b"Key" not in screen:
                    os.write(master, key.encode() + b"\n")
                screen += data
        except OSError:  # Linux ends a terminal with EIO
            pass
        finally:
            os.close(master)
    assert process.returncode == 0, screen
    return screen.decode()


def test_refused_key_is_not_stored(run: Callable[..., int], fake: FakeUploader, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    fake.status, fake.answer = 401, UNAUTHENTICATED
    assert run("login", "--url", fake.url, "--key-file", "key") == ExitCode.PERMISSION_DENIED
    assert not config_file().exists()


def test_stored_key_is_sent_until_logout(
    run: Callable[..., int], fake: FakeUploader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_text(f"\ufeff{KEY}\n")
    assert run("login", "--url", fake.url, "--key-file", "key", "--profile", "prod") == ExitCode.OK
    fake.statuses = [status_document("landed", landed=1)]
    assert run("status", UPLOAD_ID, "--profile", "prod") == ExitCode.OK
    assert fake.request_headers["Authorization"] == f"Bearer {KEY}"
    assert run("logout", "--profile", "prod") == ExitCode.OK
    assert run("status", UPLOAD_ID, "--profile", "prod") == ExitCode.CONFIGURATION
    assert run("status", UPLOAD_ID, "--url", fake.url) == ExitCode.OK
    assert "Authorization" not in fake.request_headers
    assert KEY not in "".join(capsys.readouterr())


def test_login_without_a_terminal_asks_for_the_key_file(
    run: Callable[..., int], fake: FakeUploader, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("login", "--url", fake.url) == ExitCode.USAGE
    assert "--key-file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "key", "named"),
    [
        (401, None, "CSVPIPE_KEY or CSVPIPE_KEY_FILE"),
        (401, KEY, "The key comes from CSVPIPE_KEY"),
        (403, KEY, "The key comes from CSVPIPE_KEY"),
    ],
)
def test_refusal_names_the_setting_of_the_key_and_not_the_key(
    status: int,
    key: str | None,
    named: str,
    run: Callable[..., int],
    fake: FakeUploader,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if key:
        monkeypatch.setenv("CSVPIPE_KEY", key)
    fake.status, fake.answer = status, {"title": "No", "detail": "read is missing", "code": "x", "permission": "read"}
    assert run("status", UPLOAD_ID, "--url", fake.url) == ExitCode.PERMISSION_DENIED
    shown = " ".join(capsys.readouterr().err.split())
    assert named in shown
    assert "permission read" in shown
    assert KEY not in shown


@pytest.mark.parametrize("text", ["two words", "line\nX-Header: 1", "schlüssel"])
def test_text_that_is_no_key_is_not_sent(
    text: str,
    run: Callable[..., int],
    fake: FakeUploader,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CSVPIPE_KEY", text)
    assert run("status", UPLOAD_ID, "--url", fake.url) == ExitCode.CONFIGURATION
    assert fake.path == ""
    shown = capsys.readouterr().err
    assert "CSVPIPE_KEY" in shown
    assert text not in shown


def test_limited_upload_waits_as_long_as_it_is_told_and_sends_the_whole_file_again(
    run: Callable[..., int], fake: FakeUploader, tmp_path: Path, capsys: pytest.CaptureFixture[str], waits: list[float]
) -> None:
    content = b"a,b\n1,2\n"
    (tmp_path / "x.csv").write_bytes(content)
    fake.accept(content)
    fake.limited = [6, 3]
    assert run("upload", "x.csv", "--dataset", "flights", "--url", fake.url) == ExitCode.OK
    assert waits == [6, 3]
    assert "waiting 6 s" in capsys.readouterr().err
    assert fake.content == content
    assert len(set(fake.keys)) == 1


def test_limited_upload_gives_up_before_it_waits_longer_than_it_may(
    run: Callable[..., int], fake: FakeUploader, tmp_path: Path, capsys: pytest.CaptureFixture[str], waits: list[float]
) -> None:
    (tmp_path / "x.csv").write_bytes(b"a\n1\n")
    fake.limited = [6, 6]
    arguments = ("upload", "x.csv", "--dataset", "flights", "--url", fake.url, "--retry-for", "10")
    assert run(*arguments) == ExitCode.TEMPORARY_FAILURE
    assert waits == [6]
    shown = capsys.readouterr().err
    assert "--retry-for" in shown


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the waits, none of which really takes time."""
    waits: list[float] = []
    monkeypatch.setattr("csvpipe.upload.patience.time.sleep", waits.append)
    return waits
