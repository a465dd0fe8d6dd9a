"""The trace of an upload on its way from a Kafka header to NiFi, with the tasks' spans on it and without."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from contracts.message import ChunkMessage
from contracts.spans import NoSpans
from contracts.traceparent import trace_id_of
from dags.modules import task_spans
from dags.modules.allowed_hosts import AllowedHosts, parse_allowed_hosts
from dags.modules.batch import group_records
from dags.modules.chunk_run import ChunkRun, open_uploader, parse_run, relay
from dags.modules.errors import UploadDeletedError
from dags.modules.nifi_api_client import NiFiClient
from dags.modules.records import Record
from dags.modules.run_request import pack_messages
from dags.modules.settings import ENV_OTLP_ENDPOINT
from dags.modules.task_spans import open_spans, task_span
from tests.support.dags.fake_nifi import FakeNiFi
from tests.support.dags.fake_uploader import FakeUploader
from tests.support.monitoring.otlp import OtlpReceiver, otlp_receiver

UPLOAD = "d" * 32
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b8-01"


@pytest.fixture
def allowed(fake_uploader: FakeUploader) -> AllowedHosts:
    return parse_allowed_hosts(fake_uploader.url)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpReceiver]:
    with otlp_receiver() as running:
        monkeypatch.setenv(ENV_OTLP_ENDPOINT, running.endpoint)
        yield running


def record_of(message: ChunkMessage, offset: int, *headers: tuple[str, bytes | None]) -> Record:
    key, value = message.upload_id.encode(), message.to_bytes()
    return Record(topic="t", partition=0, offset=offset, key=key, value=value, headers=headers)


def conf_of(allowed: AllowedHosts, *records: Record) -> Mapping[str, Any]:
    batch = group_records(records, allowed=allowed, bucket="raw")
    assert batch.rejected == []
    (run,) = batch.runs
    return run.conf


def test_header_is_in_the_conf_of_the_run(fake_uploader: FakeUploader, allowed: AllowedHosts) -> None:
    one, two = fake_uploader.add_upload(UPLOAD, chunks=2)
    first = record_of(one, 0, ("a", None), ("traceparent", PARENT.encode()))
    conf = conf_of(allowed, first, record_of(two, 1, ("traceparent", OTHER.encode())))
    assert conf["traceparent"] == PARENT
    assert parse_run(conf, allowed=allowed, bucket="raw").traceparent == PARENT


@pytest.mark.parametrize("header", [None, b"", b"00-nonsense", b"\xff\x00", PARENT.upper().encode()])
def test_invalid_trace_header_is_ignored(
    fake_uploader: FakeUploader, allowed: AllowedHosts, header: bytes | None
) -> None:
    (message,) = fake_uploader.add_upload(UPLOAD)
    assert conf_of(allowed, record_of(message, 0, ("traceparent", header))) == pack_messages([message])
    assert conf_of(allowed, record_of(message, 0)) == pack_messages([message])


def test_invalid_trace_header_does_not_hide_others(fake_uploader: FakeUploader, allowed: AllowedHosts) -> None:
    one, two = fake_uploader.add_upload(UPLOAD, chunks=2)
    records = record_of(one, 0, ("traceparent", b"x")), record_of(two, 1, ("traceparent", PARENT.encode()))
    assert conf_of(allowed, *records)["traceparent"] == PARENT


@pytest.mark.parametrize("value", ["nonsense", 7, None, {"a": 1}])
def test_invalid_trace_in_the_conf_is_ignored(
    fake_uploader: FakeUploader, allowed: AllowedHosts, value: object
) -> None:
    conf = {**pack_messages(fake_uploader.add_upload(UPLOAD)), "traceparent": value}
    assert parse_run(conf, allowed=allowed, bucket="raw").traceparent is None


def relay_one(fake_uploader: FakeUploader, fake_nifi: FakeNiFi, traceparent: str | None) -> str | None:
    run = ChunkRun(upload_id=UPLOAD, base_url=fake_uploader.url, messages=fake_uploader.add_upload(UPLOAD))
    nifi = NiFiClient(api_url=f"{fake_nifi.url}/nifi-api", listen_url=fake_nifi.listen_url)
    relay(run, [1], nifi=nifi, uploader=open_uploader(run), traceparent=traceparent)
    requests = zip(fake_nifi.requests, fake_nifi.headers, strict=True)
    (posted,) = [headers for (method, _, _), headers in requests if method == "POST"]
    return posted.get("traceparent")


@pytest.mark.parametrize("traceparent", [PARENT, None])
def test_nifi_receives_the_trace_header(
    fake_uploader: FakeUploader, fake_nifi: FakeNiFi, traceparent: str | None
) -> None:
    assert relay_one(fake_uploader, fake_nifi, traceparent) == traceparent


def test_task_without_tracing_forwards_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENV_OTLP_ENDPOINT, raising=False)
    with task_span("relay", UPLOAD, PARENT) as span, task_span("relay", UPLOAD, None) as untraced:
        assert (span.traceparent, untraced.traceparent) == (PARENT, None)


def test_span_is_sent_before_the_task_ends(receiver: OtlpReceiver) -> None:
    with task_span("relay", UPLOAD, PARENT, start_ns=5) as span:
        span.set_attributes({"csvpipe.chunks.to_send": 2})
        handed_on = span.traceparent
    (arrived,) = receiver.of_upload(UPLOAD)
    assert handed_on == f"00-{trace_id_of(PARENT)}-{arrived.span_id}-01"
    assert (arrived.service, arrived.name, arrived.start_ns) == ("csvpipe-dags", "relay", 5)
    assert arrived.attributes["csvpipe.chunks.to_send"] == 2


def test_task_error_is_recorded_in_its_span(receiver: OtlpReceiver) -> None:
    with pytest.raises(UploadDeletedError), task_span("relay", UPLOAD, PARENT):
        raise UploadDeletedError("deleted")
    (arrived,) = receiver.of_upload(UPLOAD)
    assert (arrived.failed, arrived.attributes["error.type"]) == (True, "upload_deleted")


@pytest.mark.parametrize("missing", ["telemetry.otlp", "opentelemetry.exporter.otlp.proto.http.trace_exporter"])
def test_missing_tracing_packages_are_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    spans = open_spans({ENV_OTLP_ENDPOINT: "http://127.0.0.1:4318"})
    assert isinstance(spans, NoSpans)
    assert [record.name for record in caplog.records] == [task_spans.__name__]
    assert "Tracing disabled" in caplog.text
