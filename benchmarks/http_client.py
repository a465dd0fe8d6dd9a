"""HTTP client of the benchmarks: sends a file by ``sendfile``, and calls ``GET /health`` every few milliseconds."""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HOST = "127.0.0.1"
BOUNDARY = "----------------------------0123456789abcdef"
MakeRequest = Callable[[Path], tuple[bytes, bytes]]
"""Returns the bytes before and after the file's content."""
_PROBE_EVERY_S = 0.005


def multipart(**fields: object) -> MakeRequest:
    """Return a framing for a multipart POST with ``fields`` before the file, as curl writes it."""

    def make(path: Path) -> tuple[bytes, bytes]:
        parts = "".join(
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        )
        parts += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n\r\n'
        tail = f"\r\n--{BOUNDARY}--\r\n".encode()
        length = len(parts) + path.stat().st_size + len(tail)
        return _head("POST /upload/csv", length, f"multipart/form-data; boundary={BOUNDARY}") + parts.encode(), tail

    return make


def put(path: Path) -> tuple[bytes, bytes]:
    """Return the framing of a plain PUT."""
    return _head("PUT /stored", path.stat().st_size, "text/csv"), b""


def tus(path: Path) -> tuple[bytes, bytes]:
    """Return the framing of a tus upload in one request (creation-with-upload)."""
    size_bytes = path.stat().st_size
    extra = f"Tus-Resumable: 1.0.0\r\nUpload-Length: {size_bytes}\r\n"
    return _head("POST /files/", size_bytes, "application/offset+octet-stream", extra), b""


def send(path: Path, *, port: int, request: MakeRequest) -> float:
    """Send the file and return the seconds from connecting to the complete response.

    Raises:
        RuntimeError: it was not taken.
    """
    head, tail = request(path)
    with path.open("rb") as file, socket.socket() as connection:
        started = time.perf_counter()
        connection.connect((HOST, port))
        connection.sendall(head)
        offset, size_bytes = 0, path.stat().st_size
        while offset < size_bytes:
            offset += os.sendfile(connection.fileno(), file.fileno(), offset, size_bytes - offset)
        connection.sendall(tail)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        seconds = time.perf_counter() - started
    if not answer.startswith(b"HTTP/1.1 2"):
        raise RuntimeError(f"the upload was not taken: {answer[:2000]!r}")
    return seconds


@contextmanager
def probing_health(port: int, *, connect_each: bool = False) -> Iterator[list[float]]:
    """Call ``GET /health`` repeatedly; yield the list that receives the latencies in ms.

    All calls are on one separate connection, or each is on its own, whose establishment counts.
    """
    latencies_ms: list[float] = []
    stop = threading.Event()

    def probe() -> None:
        with socket.create_connection((HOST, port)) as connection:
            while not stop.wait(_PROBE_EVERY_S):
                started = time.perf_counter()
                if not _call_health(connection):
                    return
                latencies_ms.append((time.perf_counter() - started) * 1000)

    def probe_anew() -> None:
        while not stop.wait(_PROBE_EVERY_S):
            started = time.perf_counter()
            with socket.create_connection((HOST, port)) as connection:
                answered = _call_health(connection)
            latencies_ms.append((time.perf_counter() - started) * 1000 if answered else math.inf)

    thread = threading.Thread(target=probe_anew if connect_each else probe)
    thread.start()
    try:
        yield latencies_ms
    finally:
        stop.set()
        thread.join()


def p50_p99_max(latencies_ms: list[float]) -> tuple[float, float, float]:
    """Return the median, the 99th percentile and the maximum; NaN if there are no latencies."""
    ordered = sorted(latencies_ms) or [math.nan]
    p50, p99 = (ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99))
    return p50, p99, ordered[-1]


def _head(line: str, length: int, content_type: str, extra: str = "") -> bytes:
    return (
        f"{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n"
        f"Content-Type: {content_type}\r\n{extra}\r\n"
    ).encode()


def _call_health(connection: socket.socket) -> bool:
    """Call ``GET /health``; return False if the server has closed the connection, or does not answer with 200."""
    try:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return _read_answer(connection)
    except ConnectionError:
        return False


def _read_answer(connection: socket.socket) -> bool:
    """Read one complete response; return whether it is 200. False if the server has closed the connection."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(65536)
        if not piece:
            return False
        answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    return head.startswith(b"HTTP/1.1 200 ")
