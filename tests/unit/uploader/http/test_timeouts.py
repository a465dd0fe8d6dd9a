"""Clients that send or read too slowly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts.names import BYTES_PER_MB
from tests.support.uploader.http_bodies import FRAMINGS, body_of
from tests.support.uploader.raw_http import HEALTH, Connection, connected, upload, upload_head
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.waiting import wait_until
from uploader.assembly import Intervals


def test_silent_connection_is_closed(to_hasty: Connection) -> None:
    assert to_hasty.is_closed()


@pytest.mark.parametrize("part", [HEALTH[:7], HEALTH[:-2], upload_head(b"abc")[:-3]])
def test_incomplete_head_times_out_with_a_response(to_hasty: Connection, part: bytes) -> None:
    to_hasty.send(part)
    assert to_hasty.next().problem["code"] == "request_timeout"
    assert to_hasty.is_closed()


def test_incomplete_small_body_times_out_with_a_response(to_hasty: Connection) -> None:
    to_hasty.send(b"PUT /chunks/%s/1/state HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{" % (b"a" * 32))
    assert to_hasty.next().problem["code"] == "body_timeout"
    assert to_hasty.is_closed()


@FRAMINGS
@pytest.mark.parametrize(("dataset", "status"), [(b"people", 202), (b"no such/name", 422)], ids=["taken", "refused"])
def test_idle_connection_is_closed_after_an_upload(
    to_hasty: Connection, chunked: bool, dataset: bytes, status: int
) -> None:
    to_hasty.send(upload(body_of(dataset=dataset), chunked=chunked))
    assert to_hasty.next().status == status
    assert to_hasty.is_closed()


def test_client_that_does_not_read_its_download_is_disconnected(
    hasty: RunningUploader, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "uploader.http.direct_body_protocol")
    request = upload(body_of(b"id\n" + b"1\n" * (10 * BYTES_PER_MB)))
    with connected(hasty.port, tls=hasty.client_tls) as sender:
        sender.send(request)
        upload_id = json.loads(sender.next().body)["upload_id"]
    with connected(hasty.port, tls=hasty.client_tls) as reader:
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
        wait_until(lambda: server.files() != set(), what="the upload has begun", deadline_s=20, poll_s=0.01)
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
            honest.send(upload(body))
            assert honest.next().status == 202
