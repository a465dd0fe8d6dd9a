"""An HTTP server on a free port that takes a resumable upload and answers as it is told: no CSV, no disk, no Kafka."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROBLEM = "application/problem+json"
UPLOAD_ID = "a" * 32
_BLOCK_BYTES = 64 * 1024


@dataclass
class FakeUploader:
    """What was received, and what is answered.

    A ``status`` of an error is that of the creation of an upload, or if ``early``, that of its bytes, before they are
    read. So many responses as ``lost`` says are not given at all, to requests with ``lost_method`` if it is set: the
    connection breaks after the request was processed. Each number in ``limited`` refuses one creation with 429, and is
    its Retry-After. So many questions for the offset as ``gone`` says are answered with 410.
    """

    url: str = ""
    status: int = 200
    answer: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    early: bool = False
    lost: int = 0
    lost_method: str = ""
    gone: int = 0
    limited: list[int] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    request_headers: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    content: bytearray = field(default_factory=bytearray)
    offsets: list[int] = field(default_factory=list)
    removed: int = 0
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
        "source_filename": "flights.csv",
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

    def __init__(self, fake: FakeUploader, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
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
        fake.keys.append(self.headers.get("Idempotency-Key"))
        if fake.limited:
            self._answer(
                429, {"title": "Too many uploads", "detail": "10 a minute"}, {"Retry-After": fake.limited.pop(0)}
            )
            return
        if fake.status >= 400 and not fake.early:
            self._answer(fake.status, fake.answer)
            return
        pairs = (pair.split(" ") for pair in self.headers["Upload-Metadata"].split(","))
        fake.fields = {name: base64.b64decode(value).decode() for name, value in pairs}
        fake.length = int(self.headers["Upload-Length"]) if "Upload-Length" in self.headers else None
        fake.content = bytearray()
        self._respond(201, {"Location": f"/files/{UPLOAD_ID}", "Upload-Offset": "0"})

    def do_HEAD(self) -> None:
        fake = self.server.fake
        if fake.gone:
            self._respond(410, {})
        else:
            self._respond(200, self._received())

    def do_PATCH(self) -> None:
        fake = self.server.fake
        if fake.early:
            self.close_connection = True
            self._answer(fake.status, fake.answer)
            return
        offset = int(self.headers["Upload-Offset"])
        fake.offsets.append(offset)
        if offset != len(fake.content):
            self._answer(409, {"title": "Wrong offset", "detail": "not there", "code": "offset_mismatch"})
            return
        fake.length = int(self.headers.get("Upload-Length", -1 if fake.length is None else fake.length))
        fake.length = None if fake.length < 0 else fake.length
        left = int(self.headers["Content-Length"])
        while left and (data := self.rfile.read(min(left, _BLOCK_BYTES))):
            fake.content += data
            left -= len(data)
        self._respond(204, self._received())

    def do_DELETE(self) -> None:
        self.server.fake.removed += 1
        self._respond(204, {})

    def do_GET(self) -> None:
        fake = self.server.fake
        fake.path = self.path
        fake.request_headers = dict(self.headers)
        if self.path.startswith("/files/"):
            if fake.gone:
                fake.gone -= 1
                self._answer(410, {"title": "Gone", "detail": "it has expired", "code": "resumable_upload_gone"})
            else:
                self._answer(200, fake.answer)
        elif self._is_lost():
            self.close_connection = True
        else:
            self._answer_status()

    def _received(self) -> dict[str, str]:
        fake = self.server.fake
        is_complete = len(fake.content) == fake.length
        return {"Upload-Offset": str(len(fake.content)), **({"CSVPipe-Upload": UPLOAD_ID} if is_complete else {})}

    def _respond(self, status: int, headers: Mapping[str, str]) -> None:
        """Respond without a body, unless the response is to be lost."""
        if self._is_lost():
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", "0")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _answer_status(self) -> None:
        statuses = self.server.fake.statuses
        if self.server.fake.status >= 400:
            self._answer(self.server.fake.status, self.server.fake.answer)
            return
        self._answer(200, statuses.pop(0) if len(statuses) > 1 else statuses[0])

    def _is_lost(self) -> bool:
        fake = self.server.fake
        if fake.lost_method not in {"", self.command}:
            return False
        fake.lost -= 1
        return fake.lost >= 0

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

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
def run_fake_uploader(port: int = 0) -> Iterator[FakeUploader]:
    """Serve on a free port, or on ``port``, until the block ends."""
    fake = FakeUploader()
    server = _Server(fake, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
