"""A body that is read past uvicorn, and the connection that goes back to it: the answers are what they always were."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest

from contracts.names import BYTES_PER_MB
from tests.support.ingest import BOUNDARY, form
from tests.support.uploader_server import RunningUploader, running_uploader
from tests.support.waiting import wait_until

ROWS = b"id,name\r\n" + b"".join(b"%d,name of %d\r\n" % (row, row) for row in range(1, 200_000))
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def uploader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path_factory.mktemp("chunks"), max_file_size_mb=50) as server:
        yield server


@pytest.fixture
def connection(uploader: RunningUploader) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", uploader.port), timeout=30) as connection:
        yield connection


def upload(body: bytes, *headers: bytes) -> bytes:
    """Return the head of a request with ``body``."""
    content_type = b"Content-Type: multipart/form-data; boundary=" + BOUNDARY.encode()
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join([b"POST /upload/csv HTTP/1.1", b"Host: localhost", content_type, length, *headers, b"", b""])


def body_of(rows: bytes = ROWS, *, dataset: bytes = b"people") -> bytes:
    return form([("dataset_name", dataset), ("file", rows)])


class Answers:
    """The answers that come on a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""

    def next_status(self) -> int:
        """Return the status of the next answer, whose body is passed over."""
        head = self._until(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        self._take(int(length[1]) if length else 0)
        return int(head.split(b" ")[1])

    def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            self._receive()
        return self._take(self._received.index(end) + len(end))

    def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            self._receive()
        taken, self._received = self._received[:size], self._received[size:]
        return taken

    def _receive(self) -> None:
        piece = self._connection.recv(65536)
        assert piece, f"the connection was closed after {self._received!r}"
        self._received += piece


def test_body_is_read_from_the_connection_and_not_from_asgi(
    connection: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uploader.routes.upload.StreamedBody", None)
    body = body_of()
    connection.sendall(upload(body) + body)
    assert Answers(connection).next_status() == 202


def test_connection_is_good_for_more_requests(connection: socket.socket) -> None:
    answers, body = Answers(connection), body_of()
    for _ in range(3):
        connection.sendall(upload(body) + body)
        assert answers.next_status() == 202
        connection.sendall(HEALTH)
        assert answers.next_status() == 200


def test_request_right_behind_a_body_is_not_taken_for_content(connection: socket.socket) -> None:
    body = body_of()
    connection.sendall(upload(body) + body + HEALTH + upload(body) + body)
    answers = Answers(connection)
    assert [answers.next_status() for _ in range(3)] == [202, 200, 202]


def test_body_that_comes_with_its_head_is_taken(connection: socket.socket) -> None:
    body = body_of(b"id\n1\n")
    connection.sendall(upload(body) + body + HEALTH)
    answers = Answers(connection)
    assert [answers.next_status() for _ in range(2)] == [202, 200]


def test_body_that_comes_byte_by_byte_is_taken(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = body_of(b'id,name\r\n1,"a\r\nb"\r\n')
    for byte in upload(body) + body:
        connection.sendall(bytes((byte,)))
    assert Answers(connection).next_status() == 202


def test_client_that_waits_to_be_asked_is_asked(connection: socket.socket) -> None:
    body, answers = body_of(), Answers(connection)
    connection.sendall(upload(body, b"Expect: 100-continue"))
    assert answers.next_status() == 100
    connection.sendall(body)
    assert answers.next_status() == 202


def test_refused_upload_is_received_to_its_end_and_the_connection_goes_on(connection: socket.socket) -> None:
    body, answers = body_of(dataset=b"no such/name"), Answers(connection)
    connection.sendall(upload(body) + body[: BYTES_PER_MB // 2])
    assert answers.next_status() == 422
    connection.sendall(body[BYTES_PER_MB // 2 :] + HEALTH)
    assert answers.next_status() == 200


def test_content_length_that_is_too_much_is_refused_before_the_body_comes(connection: socket.socket) -> None:
    connection.sendall(upload(b"").replace(b"Content-Length: 0", b"Content-Length: %d" % (60 * BYTES_PER_MB)))
    assert Answers(connection).next_status() == 413


def test_client_that_sends_no_more_leaves_nothing(uploader: RunningUploader, connection: socket.socket) -> None:
    before, body = uploader.files(), body_of()
    connection.sendall(upload(body) + body[: len(body) // 2])
    wait_until(lambda: uploader.files() > before, what="the upload is being received", deadline_s=20, poll_s=0.01)
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(1) == b""
    wait_until(lambda: uploader.files() == before, what="nothing remains", deadline_s=20, poll_s=0.01)
