from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dags.modules import chunk_run, landing_trigger
from dags.modules.batch import pack_messages
from dags.modules.chunk_run import read_run
from dags.modules.errors import ChunksNotLandedError
from dags.modules.landing_operator import LandingOperator
from dags.modules.object_store import ExpectedChunk
from dags.modules.validators import parse_allowed_hosts
from tests.dags.fakes import FakeUploader

UPLOAD = "3" * 32


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
    conf = pack_messages(fake.add_upload(UPLOAD, chunks=2))
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
