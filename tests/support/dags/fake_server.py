"""Base of the fakes of HTTP services: a server on a free port that records its requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any]
"""Status and body."""


class FakeServer:
    """Passes every request to :meth:`answer` and sends the result: bytes unchanged, anything else as JSON."""

    def __init__(self, port: int = 0) -> None:
        answer = self._record_and_answer
        self.location: str | None = None
        """Where a response with a status from 300 to 399 sends the client."""
        redirect = self._redirect
        self.headers: list[dict[str, str]] = []
        seen = self.headers

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                seen.append(dict(self.headers))
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, content = answer(self.command, self.path, body)
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                for name, value in redirect(status).items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _any  # noqa: N815 - the names that http.server calls

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named so by http.server
                pass

        self.requests: list[tuple[str, str, bytes]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def host_port(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host_port}"

    def _redirect(self, status: int) -> dict[str, str]:
        return {"Location": self.location} if self.location and 300 <= status < 400 else {}

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        raise NotImplementedError

    @contextmanager
    def running(self) -> Iterator[Any]:
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def close(self) -> None:
        """Close the port of a server that was never started, so that connections to it are refused."""
        self._server.server_close()

    def _record_and_answer(self, method: str, path: str, body: bytes) -> Answer:
        self.requests.append((method, path, body))
        return self.answer(method, path, body)
