"""A fake of the uploader's download route that serves bytes, and fails on demand."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from contracts.message import ChunkMessage
from contracts.names import (
    BYTES_PER_MB,
    HEADER_OBJECT_KEY,
    HEADER_SHA256,
    HEADER_SIZE_BYTES,
    chunk_filename,
    object_key,
    object_url,
)
from tests.support.signatures import FAKE_SIGNATURE


@dataclass
class FakeChunkSource:
    """An HTTP server at ``base`` with chunks by path.

    Attributes:
        contents: what is served, by path.
        headers: what the answer says of the chunk, by path; as the uploader does, in lower case.
        failures: how many more times a path answers with which status before it serves.
        redirects: where a path sends its clients instead.
        damaged: how many more times a path serves its content with the last byte changed.
        broken: how many more times the connection of a path breaks off in the middle of the content.
        hits: requests so far by path.
        traceparents: the header ``traceparent`` of each request so far, by path.
    """

    base: str
    contents: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    failures: dict[str, tuple[int, HTTPStatus]] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    damaged: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    traceparents: dict[str, list[str | None]] = field(default_factory=dict)

    def offer(self, content: bytes, *, dataset: str = "flights", chunk_id: int = 1, total: int = 1) -> ChunkMessage:
        """Serve ``content`` as a chunk of a new upload, and return its message."""
        upload_id = uuid.uuid4().hex
        path = f"/chunks/{upload_id}/{chunk_id}/download/{FAKE_SIGNATURE}"
        self.contents[path] = content
        filename = chunk_filename(dataset, chunk_id, f"{upload_id[:12]}Z")
        self.headers[path] = {
            HEADER_OBJECT_KEY.lower(): object_key(dataset, filename),
            HEADER_SHA256.lower(): hashlib.sha256(content).hexdigest(),
            HEADER_SIZE_BYTES.lower(): str(len(content)),
        }
        return ChunkMessage.model_validate(
            {
                "upload_id": upload_id,
                "dataset_name": dataset,
                "chunk_id": chunk_id,
                "total_chunks": total,
                "filename": filename,
                "chunk_size_mb": round(len(content) / BYTES_PER_MB, 6),
                "row_count": 1,
                "row_start": 1,
                "row_end": 1,
                "file_path": object_url("raw", object_key(dataset, filename)),
                "headers": ["a"],
                "header_count": 1,
                "published_at": "2026-01-31T12:00:00Z",
                "api_endpoint": self.base + path,
                "size_bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "byte_start": 0,
                "byte_end": len(content),
            }
        )

    def path_of(self, message: ChunkMessage) -> str:
        """Return the path at which a message's chunk is served."""
        return message.api_endpoint.removeprefix(self.base)

    def answer(self, path: str) -> tuple[HTTPStatus, bytes]:
        """Return what one GET of ``path`` gets."""
        self.hits[path] += 1
        left, status = self.failures.get(path, (0, HTTPStatus.OK))
        if left:
            self.failures[path] = (left - 1, status)
            return status, json.dumps({"code": "told_to_fail"}).encode()
        if path in self.redirects:
            return HTTPStatus.FOUND, b""
        if path not in self.contents:
            return HTTPStatus.NOT_FOUND, json.dumps({"code": "no_such_chunk"}).encode()
        content = self.contents[path]
        if self.damaged[path] > 0:
            self.damaged[path] -= 1
            return HTTPStatus.OK, content[:-1] + bytes([content[-1] ^ 1])
        return HTTPStatus.OK, content


@contextmanager
def fake_chunk_source() -> Iterator[FakeChunkSource]:
    """Run one on a free port.

    Its connections end with it: NiFi keeps idle ones, and a later server may get the same port.
    """
    connections: list[socket.socket] = []

    class Server(ThreadingHTTPServer):
        daemon_threads = False
        request_queue_size = 128

        def get_request(self) -> tuple[socket.socket, Any]:
            connection, address = super().get_request()
            connections.append(connection)
            return connection, address

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            source.traceparents.setdefault(self.path, []).append(self.headers["traceparent"])
            status, body = source.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", "text/csv")
            self.send_header("Content-Length", str(len(body)))
            for name, value in source.headers.get(self.path, {}).items():
                self.send_header(name, value)
            if status == HTTPStatus.FOUND:
                self.send_header("Location", source.redirects[self.path])
            self.end_headers()
            if source.broken[self.path] > 0:
                source.broken[self.path] -= 1
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
                return
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = Server(("127.0.0.1", 0), Handler)
    source = FakeChunkSource(base=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="fake-chunk-source")
    thread.start()
    try:
        yield source
    finally:
        server.shutdown()
        thread.join()
        for connection in connections:
            with suppress(OSError):  # it has ended before
                connection.shutdown(socket.SHUT_RDWR)
        server.server_close()
