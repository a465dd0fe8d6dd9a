"""Validation of the stack's address."""

from __future__ import annotations

import pytest

from contracts.errors import SettingsError
from stack.settings import load_settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "10.1.2.3", "localhost", "my-machine.lan"])
def test_single_address_is_accepted(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK_HOST", host)
    assert load_settings().host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::1", "http://127.0.0.1", "127.0.0.1:80"])
def test_address_that_cannot_be_connected_to_is_refused(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK_HOST", host)
    with pytest.raises(SettingsError, match="STACK_HOST: must be"):
        load_settings()
