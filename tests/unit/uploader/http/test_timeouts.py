"""Clients that send or read too slowly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from contracts.names import BYTES_PER_MB
from tests.support.uploader.http_bodies import FRAMINGS, body_of
from tests.support.uploader.patient_protocol import patience
from tests.support.uploader.raw_http import HEALTH, Connection, connected, upload, upload_head
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.waiting import wait_until
from uploader.assembly import Intervals

UNFINISHED = {
    "nothing": b"",
    "part of a line": HEALTH[:7],
    "part of a head": HEALTH[:-2],
    "part of an upload's head": upload_head(b"abc")[:-3],
    "part of a small body": b"PUT /chunks/%s/1/state HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
    % (b"a" * 32),
}
DATASETS = {"taken": (b"people", 202), "refused": (b"no such/name", 422)}


@pytest.fixture(scope="module")
def unfinished(hasty: RunningUploader) -> Iterator[dict[str, Connection]]:
    """Give a connection for each unfinished request. They are opened together, so that they time out together."""
    with ExitStack() as stack:
        opened = {}
        with patience(hasty):
            for name, part in UNFINISHED.items():
                opened[name] = stack.enter_context(connected(hasty.port, tls=hasty.client_tls))
                opened[name].send(part)
        yield opened


@pytest.fixture(scope="module")
def after_uploads(hasty: RunningUploader) -> Iterator[dict[tuple[bool, str], Connection]]:
    """Give a connection for each upload that has been sent, by its framing and its dataset. They are idle together."""
    with ExitStack() as stack:
        opened = {}
        with patience(hasty):
            for chunked in (False, True):
                for name, (dataset, _) in DATASETS.items():
                    connection = stack.enter_context(connected(hasty.port, tls=hasty.client_tls))
                    connection.send(upload(body_of(dataset=dataset), chunked=chunked))
                    opened[chunked, name] = connection
        yield opened


def test_silent_connection_is_closed(unfinished: dict[str, Connection]) -> None:
    assert unfinished["nothing"].is_closed()


@pytest.mark.parametrize("part", ["part of a line", "part of a head", "part of an upload's head"])
def test_incomplete_head_times_out_with_a_response(unfinished: dict[str, Connection], part: str) -> None:
    assert unfinished[part].next().problem["code"] == "request_timeout"
    assert unfinished[part].is_closed()


def test_incomplete_small_body_times_out_with_a_response(unfinished: dict[str, Connection]) -> None:
    connection = unfinished["part of a small body"]
    assert connection.next().problem["code"] == "body_timeout"
    assert connection.is_closed()


@FRAMINGS
@pytest.mark.parametrize("name", DATASETS)
def test_idle_connection_is_closed_after_an_upload(
    after_uploads: dict[tuple[bool, str], Connection], chunked: bool, name: str
) -> None:
    connection = after_uploads[chunked, name]
    assert connection.next().status == DATASETS[name][1]
    assert connection.is_closed()


def test_client_that_does_not_read_its_download_is_disconnected(
    hasty: RunningUploader, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "uploader.http.direct_body_protocol")
    request = upload(body_of(b"id\n" + b"1\n" * (10 * BYTES_PER_MB)))
    with ExitStack() as stack:
        with patience(hasty):
            sender, reader = (stack.enter_context(connected(hasty.port, tls=hasty.client_tls)) for _ in range(2))
            sender.send(request)
            upload_id = json.loads(sender.next().body)["upload_id"]
            reader.send(b"GET /chunks/%s/1/download HTTP/1.1\r\nHost: localhost\r\n\r\n" % upload_id.encode())
        wait_until(
            lambda: any(hasattr(record, "send_timeout_s") for record in caplog.records),
            what="the connection is closed",
            deadline_s=30,
        )


def test_trickling_upload_loses_its_slot(tmp_path: Path, certificates: Path | None) -> None:
    hasty = Intervals(upload_window_s=0.5)
    with (
        running_uploader(tmp_path, certificates=certificates, intervals=hasty, max_concurrent_uploads=1) as server,
        connected(server.port, tls=server.client_tls) as slow,
    ):
        body = body_of()
        slow.send(upload_head(body) + body[:300])
        slow.socket.settimeout(0.1)
        answer = None
        for byte in body[300:]:
            try:
                answer = slow.next()
                break
            except TimeoutError:
                slow.send(bytes((byte,)))
        assert answer is not None
        assert answer.problem["code"] == "upload_stalled"
        assert "MIN_UPLOAD_RATE_KB_S" in answer.problem["detail"]
        with connected(server.port, tls=server.client_tls) as honest:
            honest.send(upload(body_of(b"id\n1\n")))  # at once: the short window is also its own
            assert honest.next().status == 202
