"""Fixtures that the tests of the DAGs and those of their modules share: fakes of what a task talks to over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dags.modules import http_session
from tests.support.dags.fakes import FakeNifi, FakeUploader


@pytest.fixture(autouse=True)
def no_waits_between_http_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is tried again be tried at once."""
    monkeypatch.setattr(http_session, "BACKOFF_FACTOR", 0)


@pytest.fixture
def fake_uploader() -> Iterator[FakeUploader]:
    """Give a fake of the uploader's HTTP interface."""
    with FakeUploader().running() as server:
        yield server


@pytest.fixture
def fake_nifi() -> Iterator[FakeNifi]:
    """Give a fake of NiFi's ListenHTTP and REST interface."""
    with FakeNifi().running() as server:
        yield server
