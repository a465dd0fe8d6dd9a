"""An OTLP receiver that decodes the spans of the real exporter."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from tests.support.waiting import wait_until

TIMEOUT, TIMEOUT_S = "OTEL_EXPORTER_OTLP_TIMEOUT", "25"
"""Spans that are not taken in time are lost, and the receiver stands still if its test does."""


@dataclass(frozen=True)
class ReceivedSpan:
    """A span as it arrived. Ids are hex digits; ``parent_id`` is empty where the span begins its trace."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    failed: bool
    start_ns: int
    end_ns: int


@dataclass
class OtlpReceiver:
    """An HTTP server at ``endpoint``."""

    endpoint: str
    spans: list[ReceivedSpan] = field(default_factory=list)

    def of_upload(self, upload_id: str) -> list[ReceivedSpan]:
        """Return the spans that say that they belong to an upload."""
        return [span for span in list(self.spans) if span.attributes.get("csvpipe.upload_id") == upload_id]

    def wait_for(self, name: str, upload_id: str, *, count: int = 1, deadline_s: float = 90) -> list[ReceivedSpan]:
        """Wait until ``count`` spans of that name have come for an upload, and return them."""

        def found() -> list[ReceivedSpan]:
            spans = [span for span in self.of_upload(upload_id) if span.name == name]
            return spans if len(spans) >= count else []

        return wait_until(
            found, what=f"{count} spans {name} of {upload_id}", deadline_s=deadline_s, explain=lambda: str(self.spans)
        )

    def take(self, body: bytes) -> None:
        """Decode a request and keep its spans."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _attributes(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                self.spans.extend(
                    ReceivedSpan(
                        service=service,
                        name=span.name,
                        trace_id=span.trace_id.hex(),
                        span_id=span.span_id.hex(),
                        parent_id=span.parent_span_id.hex(),
                        attributes=_attributes(span.attributes),
                        failed=span.status.code == 2,
                        start_ns=span.start_time_unix_nano,
                        end_ns=span.end_time_unix_nano,
                    )
                    for span in scope.spans
                )


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """Run a receiver on a free port. Meanwhile, exporters of this process wait for it as :data:`TIMEOUT` says."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                receiver.take(body)
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named so by http.server
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = OtlpReceiver(endpoint=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv(TIMEOUT, TIMEOUT_S)
            yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair) for pair in pairs}


def _value(pair: KeyValue) -> Any:
    kind = pair.value.WhichOneof("value")
    return None if kind is None else getattr(pair.value, kind)
