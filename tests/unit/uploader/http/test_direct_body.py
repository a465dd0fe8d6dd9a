"""Bodies read past uvicorn, and the connection afterwards: responses are the same as over ASGI."""

from __future__ import annotations

import pytest

from contracts.names import BYTES_PER_MB
from tests.support.uploader.ingest import form
from tests.support.uploader.raw_http import HEALTH, Connection, upload_head
from tests.support.uploader.server import RunningUploader
from tests.support.waiting import wait_until

ROWS = b"id,name\r\n" + b"".join(b"%d,name of %d\r\n" % (row, row) for row in range(1, 200_000))


def body_of(rows: bytes = ROWS, *, dataset: bytes = b"people") -> bytes:
    return form([("dataset_name", dataset), ("file", rows)])


def test_body_is_read_from_the_connection_past_asgi(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uploader.api.request_bodies.StreamedBody", None)
    body = body_of()
    connection.send(upload_head(body) + body)
    assert connection.next_of_all().status == 202


def test_connection_serves_further_requests(connection: Connection) -> None:
    body = body_of()
    for _ in range(3):
        connection.send(upload_head(body) + body)
        assert connection.next_of_all().status == 202
        connection.send(HEALTH)
        assert connection.next_of_all().status == 200


def test_request_right_after_a_body_is_not_content(connection: Connection) -> None:
    body = body_of()
    connection.send(upload_head(body) + body + HEALTH + upload_head(body) + body)
    assert [connection.next_of_all().status for _ in range(3)] == [202, 200, 202]


def test_body_sent_with_its_head_is_accepted(connection: Connection) -> None:
    body = body_of(b"id\n1\n")
    connection.send(upload_head(body) + body + HEALTH)
    assert [connection.next_of_all().status for _ in range(2)] == [202, 200]


def test_body_sent_byte_by_byte_is_accepted(connection: Connection) -> None:
    body = body_of(b'id,name\r\n1,"a\r\nb"\r\n')
    for byte in upload_head(body) + body:
        connection.send(bytes((byte,)))
    assert connection.next_of_all().status == 202


def test_client_that_expects_100_continue_gets_it(connection: Connection) -> None:
    body = body_of()
    connection.send(upload_head(body, b"Expect: 100-continue"))
    assert connection.next_of_all().status == 100
    connection.send(body)
    assert connection.next_of_all().status == 202


def test_refused_upload_is_drained_and_the_connection_continues(connection: Connection) -> None:
    body = body_of(dataset=b"no such/name")
    connection.send(upload_head(body) + body[: BYTES_PER_MB // 2])
    assert connection.next_of_all().status == 422
    connection.send(body[BYTES_PER_MB // 2 :] + HEALTH)
    assert connection.next_of_all().status == 200


def test_excessive_content_length_is_refused_before_the_body(connection: Connection) -> None:
    connection.send(upload_head(b"").replace(b"Content-Length: 0", b"Content-Length: %d" % (60 * BYTES_PER_MB)))
    assert connection.next_of_all().status == 413


def test_client_that_stops_sending_leaves_no_files(uploader: RunningUploader, connection: Connection) -> None:
    before, body = uploader.files(), body_of()
    connection.send(upload_head(body) + body[: len(body) // 2])
    wait_until(lambda: uploader.files() > before, what="the upload is being received", deadline_s=20, poll_s=0.01)
    connection.socket.close()
    wait_until(lambda: uploader.files() == before, what="nothing remains", deadline_s=20, poll_s=0.01)
