"""``/metrics`` of an uploader with two worker processes and a real broker: whoever answers knows those of both."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from stack.local import LocalStack
from tests.support.metrics import Samples, read_metrics
from tests.support.services import KafkaBroker, running_stack
from tests.support.waiting import wait_until
from uploader.shared_counters import DIRECTORY_VARIABLE

CSV = b"id,name\n" + b"".join(b"%d,name %d\n" % (row, row) for row in range(1, 11))
SCRAPES = 12
"""Enough that both workers answer, each over a connection of its own."""


class TwoWorkers:
    """An uploader of two processes."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        settings = stack.context.settings
        self.url = f"http://{settings.host}:{settings.uploader_port}"

    def upload(self, content: bytes = CSV) -> int:
        url = f"{self.url}/upload/csv?dataset_name=people&chunk_type=rows&chunk_size=5"
        return httpx.post(url, files={"file": ("people.csv", content)}, timeout=60, trust_env=False).status_code

    def upload_many(self, number: int) -> None:
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _: self.upload(), range(number))) == {202}

    def scrape(self) -> Samples:
        return read_metrics(f"{self.url}/metrics")

    def accepted(self) -> set[float]:
        """Return what each of several scrapes says."""
        return {self.scrape()["csvpipe_uploads_total", "accepted"] for _ in range(SCRAPES)}

    def workers(self) -> list[psutil.Process]:
        """Return the processes that serve, which have an application and so a lock in the directory."""
        [managed] = self.stack.processes_of("uploader")
        children = psutil.Process(managed.pid).children(recursive=True)
        alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
        return [child for child in alive if "spawn_main" in " ".join(child.cmdline())]

    def directory(self) -> Path:
        """Return where the counters lie."""
        return Path(self.workers()[0].environ()[DIRECTORY_VARIABLE])


@pytest.fixture
def uploader(tmp_path: Path, kafka_broker: KafkaBroker) -> Iterator[TwoWorkers]:
    topic = f"test-{uuid.uuid4().hex}"
    environment = {"KAFKA_BROKER": kafka_broker.bootstrap, "KAFKA_TOPIC_INGEST": topic, "MIN_FREE_DISK_MB": "1"}
    with running_stack(tmp_path, ["uploader"], uploader_workers=2, uploader_environment=environment) as stack:
        two = TwoWorkers(stack)
        wait_until(lambda: len(list(two.directory().glob("counter_*.db"))) == 2, what="both count", deadline_s=60)
        yield two


def counted_by(directory: Path) -> list[bytes]:
    """Return the content of each worker's counters."""
    return [path.read_bytes() for path in sorted(directory.glob("counter_*.db"))]


def test_every_scrape_gives_the_sum_over_workers_and_gauges_once(uploader: TwoWorkers) -> None:
    idle = counted_by(uploader.directory())
    uploader.upload_many(30)
    assert uploader.upload(b"id,name\n1,2,3\n") == 400
    assert uploader.accepted() == {30}
    changed = [now != before for now, before in zip(counted_by(uploader.directory()), idle, strict=True)]
    assert changed == [True, True], "one worker took it all: this proves nothing"
    found = uploader.scrape()
    assert found["csvpipe_upload_rows_total",] == 300
    assert found["csvpipe_upload_chunking_duration_seconds_count",] == 30
    assert found["csvpipe_http_requests_total", "POST", "/upload/csv", "202"] == 30
    assert found["csvpipe_http_requests_total", "POST", "/upload/csv", "400"] == 1
    assert found["csvpipe_published_messages_total", "acknowledged"] == 60
    assert found["csvpipe_chunks", "announced"] == 60
    assert found["csvpipe_ready", "disk"] == 1


def test_worker_that_dies_takes_no_count_with_it_and_leaves_no_file(uploader: TwoWorkers) -> None:
    uploader.upload_many(20)
    directory = uploader.directory()
    for _ in range(3):
        before = {worker.pid for worker in uploader.workers()}
        uploader.workers()[0].kill()
        wait_until(
            lambda before=before: (
                len({w.pid for w in uploader.workers()}) == 2  # type: ignore[misc]
                and {w.pid for w in uploader.workers()} != before
            ),
            what="a new worker has come",
            deadline_s=60,
        )
    uploader.upload_many(20)
    assert uploader.accepted() == {40}
    assert len(list(directory.glob("counter_*.db"))) == 2


def test_each_start_counts_from_zero_and_clears_up_after_one_that_was_killed(uploader: TwoWorkers) -> None:
    uploader.upload_many(2)
    first = uploader.directory()
    [managed] = uploader.stack.processes_of("uploader")
    managed.kill(family=True)
    assert first.exists()
    uploader.stack.start(["uploader"])
    assert not first.exists()
    assert uploader.accepted() == {0}
    second = uploader.directory()
    uploader.stack.stop(["uploader"])
    assert not second.exists()
