"""Fixtures for tests of the DAGs and of their modules: fakes of the HTTP services that tasks call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dags.modules import http_session
from tests.support.dags.fake_nifi import FakeNiFi
from tests.support.dags.fake_uploader import FakeUploader


@pytest.fixture(autouse=True)
def no_http_retry_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry HTTP requests without a delay."""
    monkeypatch.setattr(http_session, "BACKOFF_FACTOR", 0)


@pytest.fixture
def fake_uploader() -> Iterator[FakeUploader]:
    """Run a fake of the uploader's HTTP API."""
    with FakeUploader().running() as server:
        yield server


@pytest.fixture
def fake_nifi() -> Iterator[FakeNiFi]:
    """Run a fake of NiFi's ListenHTTP and REST API."""
    with FakeNiFi().running() as server:
        yield server
