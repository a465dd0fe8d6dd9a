"""Offers of another protocol are ignored, and never hide a request in a body."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.uploader.http_bodies import FRAMINGS, body_of
from tests.support.uploader.raw_http import HEALTH, Connection, connected, in_chunks, upload, upload_head
from tests.support.uploader.server import RunningUploader, running_uploader

TOKENS = [b"h2c", b"websocket", b"foo", b"TLS/1.0, h2c", b"HTTP/2.0", b""]


def offer(token: bytes) -> list[bytes]:
    return [b"Connection: keep-alive, Upgrade, HTTP2-Settings", b"Upgrade: " + token, b"HTTP2-Settings: AAMAAABkAAQA"]


def uploaded(connection: Connection) -> str:
    """Upload a small file, and return the id of the upload."""
    connection.send(upload(body_of(b"id\n1\n")))
    return str(json.loads(connection.next().body)["upload_id"])


@FRAMINGS
@pytest.mark.parametrize("token", TOKENS)
def test_upload_with_an_upgrade_offer_is_accepted(connection: Connection, token: bytes, chunked: bool) -> None:
    connection.send(upload(body_of(), *offer(token), chunked=chunked) + HEALTH)
    assert [connection.next().status for _ in range(2)] == [202, 200]


@pytest.mark.parametrize("token", TOKENS)
def test_upgrade_offer_without_a_body_is_ignored(connection: Connection, token: bytes) -> None:
    head = b"\r\n".join([b"GET /health HTTP/1.1", b"Host: localhost", *offer(token), b"", b""])
    connection.send(head + HEALTH)
    assert [connection.next().status for _ in range(2)] == [200, 200]


def test_upgrade_offer_that_expects_100_continue_gets_it(connection: Connection) -> None:
    body = body_of()
    connection.send(upload_head(body, *offer(b"h2c"), b"Expect: 100-continue"))
    assert connection.next_of_all().status == 100
    connection.send(body)
    assert connection.next().status == 202


@FRAMINGS
@pytest.mark.parametrize("token", TOKENS)
def test_request_within_the_body_of_an_upgrade_offer_is_not_executed(
    connection: Connection, uploader: RunningUploader, token: bytes, chunked: bool
) -> None:
    upload_id = uploaded(connection)
    hidden = b"DELETE /uploads/%s?force=true HTTP/1.1\r\nHost: localhost\r\n\r\n" % upload_id.encode()
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(hidden)
    for target in (b"PUT /chunks/%s/1/state" % upload_id.encode(), b"POST /upload/csv", b"GET /health"):
        # Of this type an upload is refused for its body; for its head the connection would be closed.
        kind = b"Content-Type: multipart/form-data; boundary=b"
        head = b"\r\n".join([target + b" HTTP/1.1", b"Host: localhost", kind, framing, *offer(token), b"", b""])
        with connected(uploader.port, tls=uploader.client_tls) as attacker:
            attacker.send(head)
            attacker.send(in_chunks(hidden) if chunked else hidden)
            attacker.send(HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            answers = [attacker.next(), attacker.next()]
            assert answers[1].status == 200
            assert attacker.is_closed()
    connection.send(b"GET /uploads/%s/status HTTP/1.1\r\nHost: localhost\r\n\r\n" % upload_id.encode())
    assert json.loads(connection.next().body)["status"] != "deleted"


def test_state_change_with_an_upgrade_offer_is_accepted(connection: Connection) -> None:
    upload_id = uploaded(connection).encode()
    body = b'{"state": "relayed"}'
    head = b"PUT /chunks/%s/1/state HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json" % upload_id
    connection.send(b"\r\n".join([head, b"Content-Length: %d" % len(body), *offer(b"h2c"), b"", body]))
    assert connection.next().status == 200


@pytest.mark.parametrize("start", [b"CONNECT localhost:80 HTTP/1.1", b"PRI * HTTP/2.0"])
def test_connect_and_http_2_preface_are_refused_and_end_the_connection(connection: Connection, start: bytes) -> None:
    connection.send(start + b"\r\nHost: localhost\r\n\r\nSM\r\n\r\n" + HEALTH)
    assert connection.next().problem["status"] in {400, 501, 505}
    assert connection.is_closed()


def test_stock_server_executes_no_request_from_the_body_of_an_upgrade_offer(tmp_path: Path) -> None:
    with running_uploader(tmp_path, http="httptools") as stock, connected(stock.port) as connection:
        upload_id = uploaded(connection)
        hidden = b"DELETE /uploads/%s?force=true HTTP/1.1\r\nHost: localhost\r\n\r\n" % upload_id.encode()
        with connected(stock.port) as attacker:
            attacker.send(upload_head(hidden, *offer(b"h2c")))
            attacker.send(hidden)
            assert attacker.next().headers["connection"] == "close"
            assert attacker.is_closed()
        connection.send(b"GET /uploads/%s/status HTTP/1.1\r\nHost: localhost\r\n\r\n" % upload_id.encode())
        assert json.loads(connection.next().body)["status"] != "deleted"
