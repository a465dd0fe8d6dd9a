"""An HTTP server on a free port that takes an upload and answers as it is told: no CSV, no disk, no Kafka."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from python_multipart import multipart

PROBLEM = "application/problem+json"
UPLOAD_ID = "a" * 32


@dataclass
class FakeUploader:
    """What was received, and what is answered.

    An ``early`` answer is given before the body is read. So many answers as ``lost`` says are not given at all: the
    connection breaks once the request has been read. Each number in ``limited`` refuses one upload with 429, before its
    body is read, and is its Retry-After.
    """

    url: str = ""
    status: int = 202
    answer: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    early: bool = False
    lost: int = 0
    limited: list[int] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    request_headers: dict[str, str] = field(default_factory=dict)
    parts: list[tuple[str, bytes]] = field(default_factory=list)
    path: str = ""
    statuses: list[dict[str, Any]] = field(default_factory=list)
    announced: list[str] = field(default_factory=list)

    def accept(self, content: bytes) -> None:
        """Answer 202 as for an upload of ``content``."""
        self.answer = {
            "upload_id": UPLOAD_ID,
            "dataset_name": "flights",
            "total_chunks": 1,
            "status": "announced",
            "tracking_url": f"{self.url}/uploads/{UPLOAD_ID}/status",
            "chunk_size": 50,
            "chunk_unit": "MB",
            "created_at": "2026-01-31T12:00:00Z",
            "headers": ["id"],
            "row_count": 1,
            "size_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }


def status_document(state: str, **counts: int) -> dict[str, Any]:
    states = [name for name, count in counts.items() for _ in range(count)]
    return {
        "upload_id": UPLOAD_ID,
        "dataset_name": "flights",
        "status": state,
        "state": state,
        "final": state in {"landed", "failed", "aborted"},
        "created_at": "2026-01-31T12:00:00Z",
        "chunked_at": "2026-01-31T12:00:01Z",
        "announced_at": None,
        "landed_at": None,
        "row_count": 2,
        "size_bytes": 20,
        "sha256": "0" * 64,
        "total_chunks": len(states),
        "chunk_counts": counts,
        "chunks": [
            {
                "chunk_id": number,
                "filename": f"flights_chunk_{number:03d}_x.csv",
                "state": name,
                "row_count": 1,
                "row_start": number,
                "row_end": number,
                "size_bytes": 10,
                "sha256": "0" * 64,
                "attempts": 1,
                "announced_at": None,
                "relayed_at": None,
                "landed_at": None,
                "error": "not there after 600 s" if name == "failed" else None,
            }
            for number, name in enumerate(states, start=1)
        ],
        "error": None,
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, fake: FakeUploader) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fake = fake
        fake.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """Say nothing: some tests break off."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        fake = self.server.fake
        fake.request_headers = dict(self.headers)
        if self.path.endswith("/announce"):
            fake.announced.append(self.path.split("/")[-2])
            self._answer_status()
            return
        if not (fake.early or fake.limited):
            fake.parts = list(_parse(self.headers["Content-Type"], self._body()))
        fake.keys.append(self.headers.get("Idempotency-Key"))
        self.close_connection = True
        if fake.limited:
            self._answer(
                429, {"title": "Too many uploads", "detail": "10 a minute"}, {"Retry-After": fake.limited.pop(0)}
            )
        elif not self._is_lost():
            self._answer(fake.status, fake.answer)

    def do_GET(self) -> None:
        self.server.fake.path = self.path
        self.server.fake.request_headers = dict(self.headers)
        if self._is_lost():
            self.close_connection = True
            return
        self._answer_status()

    def _answer_status(self) -> None:
        statuses = self.server.fake.statuses
        if self.server.fake.status >= 400:
            self._answer(self.server.fake.status, self.server.fake.answer)
            return
        self._answer(200, statuses.pop(0) if len(statuses) > 1 else statuses[0])

    def _is_lost(self) -> bool:
        self.server.fake.lost -= 1
        return self.server.fake.lost >= 0

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        blocks = []
        while size := int(self.rfile.readline(), 16):
            blocks.append(self.rfile.read(size))
            self.rfile.readline()
        return b"".join(blocks)

    def _answer(self, status: int, document: dict[str, Any], headers: Mapping[str, object] = {}) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status < 400 else PROBLEM)
        self.send_header("Content-Length", str(len(body)))
        for name, value in {**self.server.fake.headers, **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def run_fake_uploader() -> Iterator[FakeUploader]:
    """Serve on a free port until the block ends."""
    fake = FakeUploader()
    server = _Server(fake)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _parse(content_type: str, body: bytes) -> Iterator[tuple[str, bytes]]:
    """Take a multipart body apart with the parser that the uploader uses: (disposition, bytes) for each part."""
    boundary = multipart.parse_options_header(content_type)[1][b"boundary"]
    parts: list[tuple[str, bytearray]] = []
    dispositions: list[bytearray] = []
    parser = multipart.MultipartParser(
        boundary,
        {
            "on_part_begin": lambda: dispositions.append(bytearray()),
            "on_header_value": lambda data, start, end: dispositions[-1].extend(data[start:end] + b";"),
            "on_headers_finished": lambda: parts.append((dispositions[-1].decode(errors="replace"), bytearray())),
            "on_part_data": lambda data, start, end: parts[-1][1].extend(data[start:end]),
        },
    )
    parser.write(body)
    parser.finalize()
    return ((disposition, bytes(data)) for disposition, data in parts)
