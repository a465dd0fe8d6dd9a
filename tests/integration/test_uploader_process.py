"""``csvpipe serve`` with two workers, started before Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from stack.local import LocalStack
from tests.support.services import OPEN_ACCESS, running_stack
from tests.support.waiting import wait_until


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[LocalStack]:
    with running_stack(tmp_path, ["uploader"], uploader_workers=2, uploader_environment=OPEN_ACCESS) as running:
        yield running


@pytest.fixture
def client(stack: LocalStack) -> Iterator[httpx.Client]:
    settings = stack.context.settings
    url = f"http://{settings.host}:{settings.uploader_port}"
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as made:
        yield made


def _upload(client: httpx.Client) -> httpx.Response:
    files = {"file": ("a.csv", b"a,b\n1,2\n3,4\n", "text/csv")}
    return client.post("/upload/csv", data={"dataset_name": "early"}, files=files)


def test_upload_before_kafka_starts_is_announced_afterwards(stack: LocalStack, client: httpx.Client) -> None:
    assert client.get("/health").status_code == 200
    assert client.get("/ready").status_code == 503
    response = _upload(client)
    assert (response.status_code, response.json()["status"]) == (202, "awaiting_kafka")

    stack.start(["kafka"])

    url = f"/uploads/{response.json()['upload_id']}/status"
    wait_until(lambda: client.get(url).json()["status"] == "announced", what="the chunk is announced", deadline_s=120)
    wait_until(lambda: client.get("/ready").status_code == 200, what="/ready says that Kafka is there", deadline_s=120)


def test_manifest_survives_a_restart_of_the_workers(stack: LocalStack, client: httpx.Client) -> None:
    upload_id = _upload(client).json()["upload_id"]
    stack.stop(["uploader"])
    with pytest.raises(httpx.ConnectError):
        client.get("/health")
    stack.start(["uploader"])
    assert client.get(f"/uploads/{upload_id}/status").json()["row_count"] == 2
