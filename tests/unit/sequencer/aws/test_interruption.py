"""Notices of interruption from a fake of EC2's instance metadata."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sequencer.aws.interruption import InterruptionWatch, wait_if_reclaimed
from sequencer.shutdown import StopRequest, StopRequestedError
from tests.support.waiting import wait_until

NOTICE = '{"action": "terminate", "time": "2026-01-31T12:02:00Z"}'


class FakeMetadata:
    """EC2's instance metadata, with the notice only. Tokens can be made to expire."""

    def __init__(self) -> None:
        self.notice = ""
        self.tokens = 0
        self.asked = 0
        self.refused = 0
        self.is_down = False
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                if fake.is_down:
                    fake.refused += 1
                    self.close_connection = True
                    return
                assert self.path == "/latest/api/token"
                assert self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
                fake.tokens += 1
                self._answer(200, f"token {fake.tokens}")

            def do_GET(self) -> None:
                assert self.path == "/latest/meta-data/spot/instance-action"
                fake.asked += 1
                if self.headers["X-aws-ec2-metadata-token"] != f"token {fake.tokens}":
                    self._answer(401, "")
                elif fake.notice:
                    self._answer(200, fake.notice)
                else:
                    self._answer(404, "")

            def _answer(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a request take a minute; after the usual second, this instance would have no metadata."""
    defaults = InterruptionWatch.__init__.__kwdefaults__
    assert defaults
    monkeypatch.setitem(defaults, "timeout_s", 60.0)


@pytest.fixture
def fake_metadata() -> Iterator[FakeMetadata]:
    fake = FakeMetadata()
    thread = threading.Thread(target=fake.server.serve_forever)
    thread.start()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()
    thread.join()


def test_notice_is_reported_once(fake_metadata: FakeMetadata) -> None:
    told: list[str] = []
    with InterruptionWatch(told.append, endpoint=fake_metadata.endpoint, interval_s=0.01):
        wait_until(lambda: fake_metadata.asked > 2, what="it asks", deadline_s=20)
        assert told == []
        fake_metadata.notice = NOTICE
        wait_until(lambda: told == [NOTICE], what="it tells", deadline_s=20)
    assert told == [NOTICE]
    assert fake_metadata.tokens == 1


def test_expired_token_is_renewed(fake_metadata: FakeMetadata) -> None:
    told: list[str] = []
    with InterruptionWatch(told.append, endpoint=fake_metadata.endpoint, interval_s=0.01):
        wait_until(lambda: fake_metadata.asked > 0, what="it asks", deadline_s=20)
        fake_metadata.tokens += 1
        fake_metadata.notice = NOTICE
        wait_until(lambda: told == [NOTICE], what="it tells", deadline_s=20)


def test_missing_metadata_does_not_end_the_watch(fake_metadata: FakeMetadata) -> None:
    told: list[str] = []
    watch = InterruptionWatch(told.append, endpoint=fake_metadata.endpoint, interval_s=0.01)
    fake_metadata.is_down = True
    with watch:
        wait_until(lambda: fake_metadata.refused > 1, what="it asks", deadline_s=20)
        fake_metadata.notice = NOTICE
        fake_metadata.is_down = False
        wait_until(lambda: told == [NOTICE], what="it is asked again", deadline_s=20)


def test_start_on_a_reclaimed_instance_waits_to_be_stopped(fake_metadata: FakeMetadata) -> None:
    """If it exited immediately, it would be restarted here and see the same notice."""
    fake_metadata.notice = NOTICE
    stop = StopRequest()
    ended: list[BaseException] = []

    def start() -> None:
        try:
            wait_if_reclaimed(stop, endpoint=fake_metadata.endpoint, max_wait_s=600)
        except StopRequestedError as error:
            ended.append(error)

    starting = threading.Thread(target=start)
    starting.start()
    wait_until(lambda: fake_metadata.asked > 0, what="it asks", deadline_s=20)
    assert (starting.is_alive(), ended) == (True, [])
    stop.request("SIGTERM")
    starting.join(20)
    assert [str(error) for error in ended] == ["SIGTERM"]


def test_start_on_a_reclaimed_instance_that_is_not_stopped_is_given_up(fake_metadata: FakeMetadata) -> None:
    fake_metadata.notice = NOTICE
    stop = StopRequest()
    with pytest.raises(StopRequestedError, match="is about to be reclaimed"):
        wait_if_reclaimed(stop, endpoint=fake_metadata.endpoint, max_wait_s=0.01)


def test_start_without_a_notice_does_not_wait(fake_metadata: FakeMetadata) -> None:
    wait_if_reclaimed(StopRequest(), endpoint=fake_metadata.endpoint)
    wait_if_reclaimed(StopRequest(), endpoint="http://127.0.0.1:1")
    assert fake_metadata.asked == 1
