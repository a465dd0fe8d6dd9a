from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from contracts.exit_codes import ExitCode
from csvpipe.cli import main
from csvpipe.profiles import load_profile
from tests.support.uploader.server import running_uploader
from uploader.access.key_text import KeyText

ADMIN = KeyText.generate().text


def get_own(base_url: str, key: str | None) -> httpx.Response:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return httpx.get(f"{base_url}/own-key", headers=headers)


def create(base_url: str, **wanted: object) -> str:
    headers = {"Authorization": f"Bearer {ADMIN}"}
    return str(httpx.post(f"{base_url}/keys", json=wanted, headers=headers).raise_for_status().json()["key"])


def test_any_key_may_ask_for_itself_and_learns_its_limits(tmp_path: Path) -> None:
    with running_uploader(tmp_path, access="keys", admin_key=ADMIN) as uploader:
        wanted = {
            "name": "nightly",
            "permissions": ["relay"],
            "datasets": ["sales_*"],
            "uploads_per_minute": 30,
            "concurrent_uploads": None,
            "max_file_size_mb": 100,
            "expires_at": "2099-01-31T00:00:00Z",
        }
        assert get_own(uploader.base_url, create(uploader.base_url, **wanted)).json() == wanted
        own = get_own(uploader.base_url, ADMIN).json()
        assert (own["name"], own["datasets"], own["expires_at"]) == ("admin key", ["*"], None)


def test_without_a_valid_key_there_is_no_answer(tmp_path: Path) -> None:
    with running_uploader(tmp_path, access="keys", admin_key=ADMIN) as uploader:
        for key in (None, KeyText.generate().text):
            answer = get_own(uploader.base_url, key)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_open_uploader_says_that_anyone_may_do_anything(tmp_path: Path) -> None:
    with running_uploader(tmp_path, access="open") as uploader:
        own = get_own(uploader.base_url, None).json()
        assert (own["name"], "upload" in own["permissions"], own["datasets"]) == ("anonymous", True, ["*"])


def test_login_stores_a_key_of_the_real_uploader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with running_uploader(tmp_path / "chunks", access="keys", admin_key=ADMIN) as uploader:
        key = create(uploader.base_url, name="nightly", permissions=["upload"], datasets=["*"])
        (tmp_path / "key").write_text(key)
        with pytest.raises(SystemExit) as caught:
            main(["login", "--url", uploader.base_url, "--key-file", str(tmp_path / "key"), "--profile", "x"])
    assert caught.value.code in {0, ExitCode.OK}
    profile = load_profile("x")
    assert profile is not None
    assert profile.key is not None
    assert profile.key.get_secret_value() == key
