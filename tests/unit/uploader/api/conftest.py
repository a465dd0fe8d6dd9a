"""The whole application with a real SQLite file, real files and a fake Kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.uploader.fake_publisher import FakePublisher
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.uploader.uploads import HEADER, SettableClock, chunk_bytes
from uploader.assembly import Intervals

FAST = Intervals(outbox_s=0.05, probe_s=0.05, events_s=0.05, longest_s=0.1)


@pytest.fixture(scope="module")
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, clock: SettableClock) -> Iterator[RunningUploader]:
    temp_dir = tmp_path_factory.mktemp("chunks")
    with running_uploader(temp_dir, clock=clock, intervals=FAST, replica_name="replica-0") as running:
        yield running


@pytest.fixture
def kafka(server: RunningUploader) -> FakePublisher:
    server.publisher.messages.clear()
    return server.publisher


@pytest.fixture
def temp_dir(server: RunningUploader) -> Path:
    return server.temp_dir


@pytest.fixture(scope="module")
def client(server: RunningUploader) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, trust_env=False) as opened:
        yield opened


@pytest.fixture
def upload(client: httpx.Client) -> Callable[..., str]:
    """Give a function that uploads three chunks of one row and returns the upload's id."""

    def upload(*, dataset: str = "people", key: str | None = None) -> str:
        content = HEADER + b"".join(chunk_bytes(chunk_id)[len(HEADER) :] for chunk_id in (1, 2, 3))
        answer = client.post(
            "/upload/csv",
            data={"dataset_name": dataset, "chunk_type": "rows", "chunk_size": "1"},
            files={"file": ("people.csv", content)},
            headers={"Idempotency-Key": key} if key else {},
        )
        assert answer.status_code == 202, answer.text
        assert answer.json()["status"] == "announced"
        return str(answer.json()["upload_id"])

    return upload
