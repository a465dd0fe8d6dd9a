"""The timeout of requests that name none."""

from __future__ import annotations

import inspect

import httpx

from tests.support.patience import PATIENCE_S


def test_functions_and_clients_of_httpx_are_patient() -> None:
    patient = httpx.Timeout(PATIENCE_S)
    assert inspect.signature(httpx.get).parameters["timeout"].default == patient
    with httpx.Client() as client:
        assert client.timeout == patient
