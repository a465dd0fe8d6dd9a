"""The real SDK and exporter, to a receiver of the tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.exporter.otlp.proto.http import trace_exporter

from contracts.errors import InvalidMessageError
from contracts.spans import SpanKind
from contracts.traceparent import parse_traceparent, trace_id_of
from stack.ports import free_ports
from telemetry.errors import TracingUnavailableError
from telemetry.otlp import check_installed, open_otlp
from tests.support.monitoring.otlp import OtlpReceiver, otlp_receiver

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as running:
        yield running


def test_span_arrives_in_its_parents_trace_with_its_attributes(receiver: OtlpReceiver) -> None:
    spans = open_otlp(endpoint=receiver.endpoint + "/", service="a-service")
    with spans.span("work", parent=PARENT, kind=SpanKind.SERVER, attributes={"a": "x"}, start_ns=5) as span:
        span.set_attributes({"b": 2})
        handed_on = parse_traceparent(span.traceparent)
    spans.close()
    (arrived,) = receiver.spans
    assert handed_on == f"00-{trace_id_of(PARENT)}-{arrived.span_id}-01"
    assert (arrived.trace_id, arrived.parent_id) == (trace_id_of(PARENT), "00f067aa0ba902b7")
    assert (arrived.service, arrived.name, arrived.attributes) == ("a-service", "work", {"a": "x", "b": 2})
    assert (arrived.start_ns, arrived.failed) == (5, False)


@pytest.mark.parametrize("parent", [None, "nonsense"])
def test_span_without_a_valid_parent_begins_a_trace(receiver: OtlpReceiver, parent: str | None) -> None:
    spans = open_otlp(endpoint=receiver.endpoint, service="s")
    with spans.span("one", parent=parent), spans.span("two", parent=parent):
        pass
    spans.close()
    assert [span.parent_id for span in receiver.spans] == ["", ""]
    assert len({span.trace_id for span in receiver.spans}) == 2


def test_trace_that_is_not_sampled_is_handed_on_and_not_sent(receiver: OtlpReceiver) -> None:
    spans = open_otlp(endpoint=receiver.endpoint, service="s")
    with spans.span("work", parent=PARENT[:-1] + "0") as span:
        handed_on = span.traceparent
    spans.close()
    assert receiver.spans == []
    assert handed_on is not None
    assert (trace_id_of(handed_on), handed_on[-2:]) == (trace_id_of(PARENT), "00")


def test_error_is_marked_by_its_code_and_passes(receiver: OtlpReceiver) -> None:
    spans = open_otlp(endpoint=receiver.endpoint, service="s")
    with pytest.raises(InvalidMessageError), spans.span("work", parent=None):
        raise InvalidMessageError("secret text")
    spans.close()
    (arrived,) = receiver.spans
    assert arrived.failed
    assert arrived.attributes == {"error.type": "invalid_message"}


def test_unavailable_collector_does_not_fail_the_work(caplog: pytest.LogCaptureFixture) -> None:
    [port] = free_ports(1)
    spans = open_otlp(endpoint=f"http://127.0.0.1:{port}", service="s", timeout_s=0.2)
    with spans.span("work", parent=PARENT) as span:
        handed_on = span.traceparent
    spans.close()
    assert handed_on is not None
    assert any("opentelemetry" in record.name for record in caplog.records), "it is said in the log"


@pytest.mark.parametrize(("own", "expected"), [("", 3.0), ("20", None)])
def test_timeout_of_the_sdk_comes_before_ours(
    monkeypatch: pytest.MonkeyPatch, own: str, expected: float | None
) -> None:
    class RecordedExporter(trace_exporter.OTLPSpanExporter):
        def __init__(self, *, endpoint: str, timeout: float | None) -> None:
            given.append(timeout)
            super().__init__(endpoint=endpoint, timeout=timeout)

    given: list[float | None] = []
    monkeypatch.setattr(trace_exporter, "OTLPSpanExporter", RecordedExporter)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", own)
    open_otlp(endpoint="http://127.0.0.1:1", service="s").close()
    assert given == [expected]


def test_sdk_that_is_switched_off_hands_the_parent_on(receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    spans = open_otlp(endpoint=receiver.endpoint, service="s")
    with spans.span("work", parent=PARENT) as span:
        assert span.traceparent == PARENT
    spans.close()
    assert receiver.spans == []


def test_missing_packages_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(TracingUnavailableError, match=r"install csvpipe\[tracing\]"):
        check_installed()


@pytest.mark.parametrize("module", ["uploader.app", "dags.modules.chunk_run", "dags.modules.task_spans"])
def test_without_tracing_nothing_of_opentelemetry_is_needed(module: str) -> None:
    script = (
        "import sys; sys.modules['opentelemetry.sdk'] = None; sys.modules['opentelemetry.exporter'] = None\n"
        f"import {module}; print('telemetry.otlp' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
