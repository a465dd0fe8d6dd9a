"""A service that redirects is not where its connection says: no call follows, none reports success, no secret moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dags.modules.errors import NiFiError
from dags.modules.http_session import open_session
from dags.modules.nifi_api_client import NiFiClient
from tests.support.dags.fake_server import Answer, FakeServer


class FakeRedirect(FakeServer):
    """Sends every request to another server, with ``status``."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        return self.status, {}


class FakeElsewhere(FakeServer):
    """Answers everything with success."""

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        return (201, b"token") if path.endswith("/token") else (200, {})


@pytest.fixture
def elsewhere() -> Iterator[FakeElsewhere]:
    with FakeElsewhere().running() as server:
        yield server


@pytest.fixture(params=[301, 302, 303, 307, 308])
def redirecting(request: pytest.FixtureRequest, elsewhere: FakeElsewhere) -> Iterator[FakeRedirect]:
    with FakeRedirect(request.param).running() as server:
        server.location = f"{elsewhere.url}/token"
        yield server


def client_of(fake: FakeServer) -> NiFiClient:
    return NiFiClient(
        api_url=f"{fake.url}/nifi-api",
        listen_url=f"{fake.url}/csv-ingest",
        credentials=("u", "p"),
        sleep=lambda _: None,
    )


def test_session_follows_no_redirect(redirecting: FakeRedirect, elsewhere: FakeElsewhere) -> None:
    for method in ("GET", "HEAD", "POST", "PATCH"):
        assert open_session().request(method, redirecting.url).status_code == redirecting.status
    assert not elsewhere.requests


def test_redirected_message_is_not_sent(redirecting: FakeRedirect, elsewhere: FakeElsewhere) -> None:
    """A 302 turns a POST into a GET, whose 200 would count as a message that NiFi has accepted."""
    with pytest.raises(NiFiError, match=str(redirecting.status)):
        client_of(redirecting).send(b"{}")
    assert not elsewhere.requests


def test_redirected_login_sends_no_password(redirecting: FakeRedirect, elsewhere: FakeElsewhere) -> None:
    with pytest.raises(NiFiError, match=str(redirecting.status)):
        client_of(redirecting).check_ready()
    assert not elsewhere.requests
