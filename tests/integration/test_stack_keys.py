"""The keys of the local stack: made by its first start, registered by each, and found by csvpipe."""

from __future__ import annotations

import stat
from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr

from csvpipe import local_stack
from csvpipe.client import UploaderClient
from csvpipe.errors import KeyRefusedError, PermissionMissingError
from csvpipe.service import client_of
from csvpipe.settings import load_settings
from stack.local import LocalStack
from stack.uploader_keys import UploaderKeys
from tests.support.services import running_stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with running_stack(tmp_path_factory.mktemp("stack"), ["uploader"], uploader_workers=1) as running:
        yield running


def url_of(stack: LocalStack) -> str:
    return f"http://{stack.context.settings.host}:{stack.context.settings.uploader_port}"


def client_with(stack: LocalStack, key: SecretStr) -> UploaderClient:
    return UploaderClient(url_of(stack), key=key, key_origin="the test")


def test_csvpipe_finds_the_key_of_the_running_stack(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK_UPLOADER_PORT", "0")  # that of the last start
    found = local_stack.client_values(stack.root)
    monkeypatch.setattr(local_stack, "client_values", lambda: found)
    monkeypatch.setattr("csvpipe.service.client_values", lambda: found)
    with client_of(load_settings()) as client:
        own = client.own_key()
        assert (own.permissions, own.datasets) == (["operate", "read", "upload"], ["*"])
        assert client.list_uploads({}).uploads == []


def test_airflow_has_a_key_for_the_relay_and_the_administrator_one_of_their_own(stack: LocalStack) -> None:
    secrets = stack.context.secrets
    with client_with(stack, secrets.relay_key) as client:
        assert client.own_key().permissions == ["read", "relay"]
    with client_with(stack, secrets.admin_key) as client:
        assert "admin" in client.own_key().permissions


def test_without_a_key_and_without_a_permission_the_stack_refuses(stack: LocalStack) -> None:
    with UploaderClient(url_of(stack)) as client, pytest.raises(KeyRefusedError, match="csvpipe login"):
        client.list_uploads({})
    with client_with(stack, stack.context.secrets.relay_key) as client, pytest.raises(PermissionMissingError) as caught:
        client.request("GET", "/keys")
    assert caught.value.extra["permission"] == "admin"


def test_restart_keeps_the_keys(stack: LocalStack) -> None:
    stack.restart("uploader")
    with client_with(stack, stack.context.secrets.client_key) as client:
        assert client.own_key().name == "client of the local stack"
    with client_with(stack, stack.context.secrets.admin_key) as admin:
        assert len(admin.request("GET", "/keys").json()["keys"]) == 1


def test_files_with_keys_are_private_and_serve_curl(stack: LocalStack) -> None:
    keys = UploaderKeys(stack.context)
    for path in (keys.header_file, *map(keys.file, ("admin", "relay", "client"))):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    name, value = keys.header_file.read_text().strip().split(": ")
    assert httpx.get(f"{url_of(stack)}/uploads", headers={name: value}).status_code == 200
