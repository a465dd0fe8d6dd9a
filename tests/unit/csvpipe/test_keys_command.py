"""``csvpipe keys`` on a real uploader, and on its database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.exit_codes import ExitCode
from csvpipe.cli import main
from tests.support.uploader.access import ADMIN, GUARDED, bearer
from tests.support.uploader.server import RunningUploader, running_uploader
from uploader.access.key_text import KeyText


@pytest.fixture
def uploader(tmp_path: Path) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path / "chunks", **GUARDED) as running:
        yield running


@pytest.fixture
def run(
    uploader: RunningUploader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("CSVPIPE_URL", uploader.base_url)
    monkeypatch.setenv("CSVPIPE_KEY", ADMIN)
    monkeypatch.setenv("TEMP_DIR", str(uploader.temp_dir))  # the database of the uploader, for --database

    def run(*arguments: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as caught:
            main(["keys", *arguments])
        assert int(caught.value.code or 0) == code, capsys.readouterr().err
        return capsys.readouterr().out

    return run


def own_key(uploader: RunningUploader, key: str) -> httpx.Response:
    return httpx.get(f"{uploader.base_url}/own-key", headers=bearer(key), trust_env=False)


@pytest.mark.parametrize("where", [[], ["--database"]], ids=["API", "database"])
def test_key_is_created_used_rotated_and_revoked(
    uploader: RunningUploader, run: Callable[..., str], where: list[str]
) -> None:
    rights = ["-p", "upload", "-p", "read", "-d", "sales_*", "--uploads-per-minute", "30", "--expires", "2099-01-31"]
    created: dict[str, Any] = json.loads(run("create", "--name", "nightly", *rights, "--json", *where))
    key_id = created["key_id"]
    own = own_key(uploader, created["key"]).json()
    assert (own["permissions"], own["datasets"]) == (["read", "upload"], ["sales_*"])
    assert (own["uploads_per_minute"], own["expires_at"]) == (30, "2099-01-31T00:00:00Z")
    rotated = run("rotate", key_id, *where).strip()
    assert rotated not in run("list", *where) + run("show", key_id, "--json", *where)
    assert own_key(uploader, rotated).json() == own
    assert json.loads(run("revoke", key_id, "--json", *where))["revoked_at"] is not None
    [listed] = json.loads(run("list", "--json", *where))["keys"]
    assert listed["key_id"] == key_id
    assert listed["revoked_at"] is not None
    run("rotate", key_id, *where, code=ExitCode.INVALID_INPUT if where == [] else ExitCode.CHECK_FAILED)


def test_generated_key_works_after_it_was_registered(
    uploader: RunningUploader, run: Callable[..., str], tmp_path: Path
) -> None:
    key = run("generate").strip()
    assert KeyText.parse(key) is not None
    assert own_key(uploader, key).status_code == 401
    (tmp_path / "key").write_text(f"{key}\n")
    for _ in range(2):
        command = ["create", "--name", "from a store", "-p", "relay", "-d", "*", "--key-file", str(tmp_path / "key")]
        assert run(*command).strip() == key
    assert own_key(uploader, key).json()["permissions"] == ["relay"]


def test_key_itself_is_not_taken_for_its_id(run: Callable[..., str]) -> None:
    run("show", KeyText.generate().text, code=ExitCode.USAGE)
