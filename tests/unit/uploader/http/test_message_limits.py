"""Versions of HTTP, and limits on the size of heads, trailers and bodies."""

from __future__ import annotations

import pytest

from tests.support.uploader.http_bodies import body_of
from tests.support.uploader.raw_http import HEALTH, Connection, connected, upload, upload_head
from tests.support.uploader.server import RunningUploader


@pytest.mark.parametrize("line", [b"GET /health", b"GET /health HTTP/0.9", b"GET /health HTTP/2.0"])
def test_other_http_version_is_refused(connection: Connection, line: bytes) -> None:
    connection.send(line + b"\r\nHost: localhost\r\n\r\n")
    assert connection.next().problem["status"] in {400, 505}
    assert connection.is_closed()


# What a proxy may understand in another way


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /health HTTP/1.1\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n", 400),
        (b"GET /health HTTP/1.0\r\nHost: localhost\r\nHost: example.org\r\n", 400),
        (b"GET http://example.org/health HTTP/1.1\r\nHost: localhost\r\n", 400),
        (b"GET http://localhost@example.org/health HTTP/1.1\r\nHost: localhost\r\n", 400),
        (b"GET http://localhost/health HTTP/1.0\r\n", 400),
        (b"POST /session HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"POST /session HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n", 501),
        (b"POST /session HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, chunked\r\n", 400),
    ],
)
def test_ambiguous_head_is_refused_and_nothing_follows(connection: Connection, head: bytes, status: int) -> None:
    connection.send(head + b"Connection: keep-alive\r\n\r\n" + HEALTH)
    assert connection.next().problem["status"] == status
    assert connection.is_closed()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health HTTP/1.0\r\n",
        b"GET http://localhost/health HTTP/1.1\r\nHost: LocalHost\r\n",
        b"GET http://localhost:8000/health?x=://y HTTP/1.1\r\nHost: localhost:8000\r\n",
        b"GET /health?x=http://y HTTP/1.1\r\nHost: localhost\r\n",
    ],
)
def test_unambiguous_head_is_accepted(connection: Connection, head: bytes) -> None:
    connection.send(head + b"\r\n")
    assert connection.next().status == 200


# Heads


@pytest.mark.parametrize(
    ("start", "endless", "status"),
    [
        (b"GET /health HTTP/1.1\r\n", b"a:b\r\n", 431),
        (b"GET /health HTTP/1.1\r\nName: ", b"a", 431),
        (b"GET /health HTTP/1.1\r\n", b"a", 431),
        (b"GET /", b"a", 414),
        (b"", b"\r\n", 431),
    ],
    ids=["headers", "value", "name", "address", "empty lines"],
)
def test_endless_head_is_refused(
    uploader: RunningUploader, connection: Connection, start: bytes, endless: bytes, status: int
) -> None:
    with pytest.raises(OSError):  # noqa: PT012, PT011  closed or reset: whichever comes first
        connection.send(start)
        for _ in range(1000):
            connection.send(endless * (65536 // len(endless)))
    with connected(uploader.port, tls=uploader.client_tls) as again:
        again.send((start + endless * (20_000 // len(endless)))[:20_000])
        assert again.next().problem["status"] == status
        assert again.is_closed()


def test_head_at_the_limit_is_accepted_and_one_byte_more_refused(connection: Connection) -> None:
    start = b"GET /health HTTP/1.1\r\nHost: localhost\r\nName: "
    most = start + b"a" * (16 * 1024 - len(start) - 4) + b"\r\n\r\n"
    connection.send(most)
    assert connection.next().status == 200
    connection.send(most.replace(b"Name", b"Names"))
    assert connection.next().problem["code"] == "request_head_too_large"


@pytest.mark.parametrize("trailer", [b"a:b\r\n", b"a"], ids=["many", "long"])
def test_endless_trailers_are_refused(connection: Connection, trailer: bytes) -> None:
    with pytest.raises(OSError):  # noqa: PT012, PT011  closed or reset
        connection.send(upload_head(b"", chunked=True) + b"0\r\n")
        for _ in range(1000):
            connection.send(trailer * (65536 // len(trailer)))


def test_trailers_are_dropped_and_the_request_is_answered(connection: Connection) -> None:
    body = upload(body_of(), chunked=True).removesuffix(b"\r\n") + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    connection.send(body + HEALTH)
    assert [connection.next().status for _ in range(2)] == [202, 200]


def test_head_sent_byte_by_byte_is_accepted(connection: Connection) -> None:
    for byte in HEALTH * 2:
        connection.send(bytes((byte,)))
    assert [connection.next().status for _ in range(2)] == [200, 200]
