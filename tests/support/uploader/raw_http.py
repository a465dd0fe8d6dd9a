"""HTTP/1.1 as bytes on a socket, for requests that no client library sends."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.uploader.ingest import BOUNDARY

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """Return the body, which must be a problem document."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem: dict[str, Any] = json.loads(self.body)
        assert problem["status"] == self.status
        return problem


class Connection:
    """A connection and its responses."""

    def __init__(self, peer: socket.socket) -> None:
        self.socket = peer
        self._received = b""

    def send(self, data: bytes) -> None:
        """Send ``data``."""
        self.socket.sendall(data)

    def end_sending(self) -> None:
        """Shut down the sending side, and continue to receive."""
        self.socket.shutdown(socket.SHUT_WR)

    def next(self) -> Answer:
        """Return the next response, ignoring 100 Continue."""
        answer = self.next_of_all()
        return answer if answer.status != 100 else self.next()

    def next_of_all(self) -> Answer:
        """Return the next response, including 100 Continue."""
        head = self._until(b"\r\n\r\n").decode("latin-1")
        lines = head.split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        status = int(lines[0].split(" ")[1])
        return Answer(status, headers, self._take(int(headers.get("content-length", "0"))))

    def is_closed(self) -> bool:
        """Wait until something comes or the other side closes the connection; return whether it is the latter."""
        if self._received:
            return False
        try:
            self._received = self.socket.recv(65536)
        except ConnectionResetError:
            return True
        return not self._received

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
        piece = self.socket.recv(65536)
        assert piece, f"the connection was closed after {self._received!r}"
        self._received += piece


@contextmanager
def connected(port: int, *, tls: ssl.SSLContext | None = None) -> Iterator[Connection]:
    """Connect to this machine."""
    with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is None:
            yield Connection(peer)
            return
        with tls.wrap_socket(peer, server_hostname="127.0.0.1") as secured:
            yield Connection(secured)


def upload_head(body: bytes, *headers: bytes, chunked: bool = False) -> bytes:
    """Return the head of an upload of ``body``."""
    content_type = b"Content-Type: multipart/form-data; boundary=" + BOUNDARY.encode()
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    return b"\r\n".join([b"POST /upload/csv HTTP/1.1", b"Host: localhost", content_type, framing, *headers, b"", b""])


def in_chunks(body: bytes, *, size: int = 50_000) -> bytes:
    """Return ``body`` in the chunked coding."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def upload(body: bytes, *headers: bytes, chunked: bool = False) -> bytes:
    """Return an upload of ``body``, head and all."""
    return upload_head(body, *headers, chunked=chunked) + (in_chunks(body) if chunked else body)
