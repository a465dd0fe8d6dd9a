"""One upload is one trace, from the request through the Kafka headers to the download."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from contracts.traceparent import trace_id_of
from tests.support.monitoring.otlp import OtlpReceiver, otlp_receiver
from tests.support.uploader.fake_publisher import FakePublisher
from tests.support.uploader.server import running_uploader
from tests.support.uploader.uploads import REPLICA, SettableClock
from tests.support.waiting import wait_until
from uploader.app import create_app
from uploader.assembly import Intervals
from uploader.domain.records import UploadRecord
from uploader.store.store import Store
from uploader.uploads.outbox import Outbox
from uploader.uploads.reconciler import Reconciler

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FAST = Intervals(outbox_s=0.05, probe_s=0.05, longest_s=0.1)


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as running:
        yield running


def post(base_url: str, traceparent: str | None = None) -> str:
    headers = {} if traceparent is None else {"traceparent": traceparent}
    files = {"file": ("a.csv", b"id\n1\n2\n")}
    query = {"dataset_name": "people", "chunk_type": "rows", "chunk_size": "1"}
    answer = httpx.post(f"{base_url}/upload/csv", params=query, files=files, headers=headers, trust_env=False)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["upload_id"])


def test_no_trace_header_without_client_trace_and_tracing(tmp_path: Path) -> None:
    with running_uploader(tmp_path) as uploader:
        post(uploader.base_url)
        post(uploader.base_url, "00-nonsense")
        assert uploader.publisher.traceparents == [None] * 4


def test_client_trace_is_passed_on_without_tracing(tmp_path: Path) -> None:
    with running_uploader(tmp_path) as uploader:
        post(uploader.base_url, PARENT)
        assert uploader.publisher.traceparents == [PARENT] * 2


def test_message_published_after_a_restart_has_the_request_trace(tmp_path: Path) -> None:
    away = FakePublisher(away=True)
    with running_uploader(tmp_path, publisher=away) as uploader:
        post(uploader.base_url, PARENT)
        assert away.traceparents == []
    back = FakePublisher()
    with running_uploader(tmp_path, publisher=back, intervals=FAST):
        wait_until(lambda: len(back.messages) == 2, what="the outbox has announced", deadline_s=30)
    assert back.traceparents == [PARENT] * 2


def test_repeated_messages_have_the_request_trace(
    store: Store, outbox: Outbox, kafka: FakePublisher, clock: SettableClock, create: Callable[..., UploadRecord]
) -> None:
    upload = create(chunks=1, traceparent=PARENT)
    after = timedelta(minutes=30)
    reconciler = Reconciler(store=store, replica=REPLICA, after=after, limit=2, clock=clock)
    outbox.run_pass()
    clock.advance(hours=5)
    reconciler.run_pass()
    outbox.run_pass()
    outbox.announce_once_more(*store.chunks.read_one(upload.upload_id, 1))
    assert kafka.traceparents == [PARENT] * 3


def test_spans_of_an_upload_and_its_messages_share_one_trace(tmp_path: Path, receiver: OtlpReceiver) -> None:
    with running_uploader(tmp_path, otel_exporter_otlp_endpoint=receiver.endpoint) as uploader:
        upload_id = post(uploader.base_url)
        traceparents = uploader.publisher.traceparents
        for traceparent in traceparents:
            assert traceparent is not None
            address = f"{uploader.base_url}/chunks/{upload_id}/1/download"
            assert httpx.get(address, headers={"traceparent": traceparent}, trust_env=False).content == b"id\n1\n"
    (upload,) = receiver.wait_for("upload", upload_id)
    (announce,) = receiver.wait_for("announce", upload_id)
    downloads = receiver.wait_for("download", upload_id, count=2)
    assert upload.parent_id == ""
    assert announce.parent_id == upload.span_id
    assert [str(each).split("-")[:3] for each in traceparents] == [["00", upload.trace_id, announce.span_id]] * 2
    assert {span.trace_id for span in receiver.spans} == {upload.trace_id}
    assert [span.parent_id for span in downloads] == [announce.span_id] * 2
    assert {span.service for span in receiver.spans} == {"csvpipe-uploader"}
    assert upload.attributes["csvpipe.dataset_name"] == "people"
    assert (upload.attributes["csvpipe.rows"], upload.attributes["csvpipe.chunks"]) == (2, 2)
    assert downloads[0].attributes["http.response.status_code"] == 200


def test_refused_upload_is_a_failed_span_in_the_client_trace(tmp_path: Path, receiver: OtlpReceiver) -> None:
    with running_uploader(tmp_path, otel_exporter_otlp_endpoint=receiver.endpoint) as uploader:
        address, files = f"{uploader.base_url}/upload/csv?dataset_name=people", {"file": ("a.csv", b'id\n"1\n')}
        answer = httpx.post(address, files=files, headers={"traceparent": PARENT}, trust_env=False)
    (refused,) = receiver.spans
    assert answer.status_code == 400
    assert (refused.name, refused.failed, refused.trace_id) == ("upload", True, trace_id_of(PARENT))
    assert refused.attributes["error.type"] == "invalid_csv"


def test_missing_tracing_packages_stop_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(SystemExit, match=r"csvpipe\[tracing\]"):
        create_app()
