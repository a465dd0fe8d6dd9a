from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from contracts.traceparent import trace_id_of
from dags.modules.errors import ChunksNotLandedError
from dags.modules.landing_operator import LandingOperator
from dags.modules.object_store import ExpectedChunk
from dags.modules.run_request import pack_messages
from dags.modules.settings import ENV_OTLP_ENDPOINT
from tests.support.dags.fake_uploader import FakeUploader
from tests.support.monitoring.otlp import otlp_receiver

UPLOAD = "3" * 32
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class FakeMonitor:
    """Sees the chunks of ``landing`` land at its first check."""

    def __init__(self, chunks: list[ExpectedChunk], landing: set[int]) -> None:
        self.pending = chunks
        self._landing = landing

    def check(self) -> int:
        self.pending = [chunk for chunk in self.pending if chunk.chunk_id not in self._landing]
        return len(self._landing)


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch, fake_uploader: FakeUploader) -> Any:
    """A task's context of a run with two chunks, and the Airflow configuration that the task reads."""
    monkeypatch.setenv("AIRFLOW_VAR_CSV_INGESTION_ALLOWED_HOSTS", fake_uploader.url)
    monkeypatch.setenv("AIRFLOW_CONN_S3_RAW", json.dumps({"conn_type": "aws"}))
    conf = pack_messages(fake_uploader.add_upload(UPLOAD, chunks=2), traceparent=PARENT)
    return {"dag_run": SimpleNamespace(conf=conf)}


def operator_of(*landing: int) -> LandingOperator:
    """Return an operator whose first check sees the chunks ``landing`` land."""

    def open_monitor(*, chunks: list[ExpectedChunk], **_: Any) -> Any:
        return FakeMonitor(chunks, set(landing))

    return LandingOperator(task_id="monitor", deadline_s=600, open_monitor=open_monitor)


def test_landed_chunks_need_no_deferral(context: Any) -> None:
    operator_of(1, 2).execute(context)


def test_only_pending_chunks_are_deferred(context: Any, fake_uploader: FakeUploader) -> None:
    from airflow.sdk.exceptions import TaskDeferred

    with pytest.raises(TaskDeferred) as deferred:
        operator_of(1).execute(context)
    _, arguments = deferred.value.trigger.serialize()
    assert [chunk["chunk_id"] for chunk in arguments["chunks"]] == [2]
    assert arguments["deadline_s"] == 600
    assert arguments["base_url"] == fake_uploader.url
    assert deferred.value.method_name == "execute_complete"


def test_wait_is_a_span_that_starts_with_the_deferral(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.exceptions import TaskDeferred
    from airflow.sdk.serde import deserialize, serialize

    operator = operator_of(1)
    with otlp_receiver() as receiver:
        monkeypatch.setenv(ENV_OTLP_ENDPOINT, receiver.endpoint)
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute(context)
        stored = json.dumps(serialize(deferred.value.kwargs))  # as Airflow stores them until the task resumes
        kwargs = cast("dict[str, Any]", deserialize(json.loads(stored)))
        operator.execute_complete(context, {"missing": []}, **kwargs)
        check, wait = receiver.of_upload(UPLOAD)
    assert (check.name, check.attributes["csvpipe.chunks.pending"]) == ("monitor", 1)
    assert (wait.name, wait.start_ns >= check.end_ns, wait.failed) == ("wait_for_landing", True, False)
    assert {check.trace_id, wait.trace_id} == {trace_id_of(PARENT)}


def test_event_ends_the_task(context: Any) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    operator = operator_of()
    wait_span = {"upload_id": UPLOAD, "parent": None, "start_ns": 1}
    operator.execute_complete(context, {"missing": []}, wait_span)
    with pytest.raises(ChunksNotLandedError, match="chunk 2"):
        operator.execute_complete(context, {"missing": ["chunk 2 (k): the object does not exist"]}, wait_span)
    with pytest.raises(RuntimeError, match="no connection"):
        operator.execute_complete(context, {"error": "LookupError: no connection s3_raw"}, wait_span)
    with pytest.raises(AirflowSkipException, match="deleted"):
        operator.execute_complete(context, {"deleted": "the upload was deleted"}, wait_span)
