from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from contracts.traceparent import trace_id_of
from dags.modules import chunk_run, landing_trigger
from dags.modules.batch import pack_messages
from dags.modules.chunk_run import read_run
from dags.modules.errors import ChunksNotLandedError
from dags.modules.landing_operator import LandingOperator
from dags.modules.object_store import ExpectedChunk
from dags.modules.settings import ENV_OTLP_ENDPOINT
from dags.modules.validators import parse_allowed_hosts
from tests.support.dags.fakes import FakeUploader
from tests.support.monitoring.otlp import otlp_receiver

UPLOAD = "3" * 32
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class FakeWatch:
    """Sees the chunks of ``landing`` land at its first look."""

    def __init__(self, chunks: list[ExpectedChunk], landing: set[int]) -> None:
        self.pending = chunks
        self._landing = landing

    def look(self) -> int:
        self.pending = [chunk for chunk in self.pending if chunk.chunk_id not in self._landing]
        return len(self._landing)


@pytest.fixture
def operator() -> LandingOperator:
    return LandingOperator(task_id="monitor", deadline_s=600)


def prepare(monkeypatch: pytest.MonkeyPatch, fake: FakeUploader, landing: set[int]) -> Any:
    conf = pack_messages(fake.add_upload(UPLOAD, chunks=2), traceparent=PARENT)
    run = read_run(conf, allowed=parse_allowed_hosts(fake.host_port), bucket="raw")
    monkeypatch.setattr(chunk_run, "load_run", lambda _: run)
    monkeypatch.setattr(landing_trigger, "open_watch", lambda chunks, **_: FakeWatch(chunks, landing))
    return SimpleNamespace()


def test_chunks_that_have_landed_need_no_deferral(
    operator: LandingOperator, fake_uploader: FakeUploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.execute(prepare(monkeypatch, fake_uploader, {1, 2}))


def test_only_what_is_still_to_come_is_deferred(
    operator: LandingOperator, fake_uploader: FakeUploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import TaskDeferred

    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(prepare(monkeypatch, fake_uploader, {1}))
    _, arguments = deferred.value.trigger.serialize()
    assert [chunk["chunk_id"] for chunk in arguments["chunks"]] == [2]
    assert arguments["deadline_s"] == 600
    assert arguments["base_url"] == fake_uploader.url
    assert deferred.value.method_name == "execute_complete"


def test_wait_is_a_span_from_the_deferral_on(
    operator: LandingOperator, fake_uploader: FakeUploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import TaskDeferred
    from airflow.sdk.serde import deserialize, serialize

    with otlp_receiver() as receiver:
        monkeypatch.setenv(ENV_OTLP_ENDPOINT, receiver.endpoint)
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute(prepare(monkeypatch, fake_uploader, {1}))
        stored = json.dumps(serialize(deferred.value.kwargs))  # as Airflow keeps them until the task is resumed
        kwargs = cast("dict[str, Any]", deserialize(json.loads(stored)))
        operator.execute_complete(cast("Any", SimpleNamespace()), {"missing": []}, **kwargs)
        look, wait = receiver.of_upload(UPLOAD)
    assert (look.name, look.attributes["csvpipe.chunks.pending"]) == ("monitor", 1)
    assert (wait.name, wait.start_ns >= look.end_ns, wait.failed) == ("wait_for_landing", True, False)
    assert {look.trace_id, wait.trace_id} == {trace_id_of(PARENT)}


def test_event_ends_the_task(operator: LandingOperator) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    context: Any = SimpleNamespace()
    operator.execute_complete(context, {"missing": []})
    with pytest.raises(ChunksNotLandedError, match="chunk 2"):
        operator.execute_complete(context, {"missing": ["chunk 2 (k): there is no such object"]})
    with pytest.raises(RuntimeError, match="no connection"):
        operator.execute_complete(context, {"error": "LookupError: no connection s3_raw"})
    with pytest.raises(AirflowSkipException, match="deleted"):
        operator.execute_complete(context, {"gone": "the upload was deleted"})
