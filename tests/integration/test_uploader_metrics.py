"""``/metrics`` of an uploader with two worker processes and a real broker: whoever answers knows those of both."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.multiprocess import MultiProcessCollector

from stack.local import LocalStack
from tests.support.monitoring.metrics import Samples, read_metrics
from tests.support.services import OPEN_ACCESS, KafkaBroker, running_stack
from tests.support.waiting import wait_until
from uploader.monitoring.multiprocess import DIRECTORY_VARIABLE

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

    def requests(self) -> float:
        """Return how many uploads were requested; each is counted a moment after its response."""
        samples = self.scrape()
        counter = "csvpipe_http_requests_total", "POST", "/upload/csv"
        return sum(number for labels, number in samples.items() if labels[:3] == counter)

    def accepted(self) -> set[float]:
        """Return what each of several scrapes says."""
        return {self.scrape()["csvpipe_uploads_total", "accepted"] for _ in range(SCRAPES)}

    def workers(self) -> list[psutil.Process]:
        """Return the processes that serve, which have an application and so a lock in the directory."""
        [managed] = self.stack.processes_of("uploader")
        children = psutil.Process(managed.pid).children(recursive=True)
        return [child for child in children if serves(child)]

    def directory(self) -> Path:
        """Return where the counters lie."""
        return Path(self.workers()[0].environ()[DIRECTORY_VARIABLE])


@pytest.fixture
def uploader(tmp_path: Path, kafka_broker: KafkaBroker) -> Iterator[TwoWorkers]:
    topic = f"test-{uuid.uuid4().hex}"
    environment = {"KAFKA_BROKER": kafka_broker.bootstrap, "KAFKA_TOPIC_INGEST": topic, "MIN_FREE_DISK_MB": "1"}
    environment |= OPEN_ACCESS
    with running_stack(tmp_path, ["uploader"], uploader_workers=2, uploader_environment=environment) as stack:
        two = TwoWorkers(stack)
        wait_until(lambda: len(two.workers()) == 2, what="both workers are there", deadline_s=60)
        yield two


def serves(child: psutil.Process) -> bool:
    """Return whether a process of the uploader is a worker that lives."""
    try:
        return child.status() != psutil.STATUS_ZOMBIE and "spawn_main" in " ".join(child.cmdline())
    except psutil.NoSuchProcess:  # it died as we looked; a zombie is one of these
        return False


def accepted_by_each(directory: Path) -> list[float]:
    """Return how many uploads each worker has counted as accepted, from its own file."""
    counted = []
    for path in sorted(directory.glob("counter_*.db")):
        families = MultiProcessCollector.merge([str(path)], accumulate=True)  # type: ignore[no-untyped-call]
        samples = [sample for family in families for sample in family.samples if family.name == "csvpipe_uploads"]
        counted.append(sum(sample.value for sample in samples if sample.labels == {"result": "accepted"}))
    return counted


def test_scrape_sums_counters_over_workers_and_has_gauges_once(uploader: TwoWorkers) -> None:
    sent = 0

    def both_took_some() -> bool:
        nonlocal sent
        uploader.upload_many(10)  # the kernel decides which worker gets a connection
        sent += 10
        counted = accepted_by_each(uploader.directory())
        return len(counted) == 2 and min(counted) > 0

    wait_until(both_took_some, what="both workers took uploads", deadline_s=120)
    assert uploader.upload(b"id,name\n1,2,3\n") == 400
    assert uploader.accepted() == {sent}
    wait_until(lambda: uploader.scrape()["csvpipe_chunks", "announced"] == 2 * sent, what="announced", deadline_s=120)
    wait_until(lambda: uploader.requests() == sent + 1, what="all requests are counted", deadline_s=60)
    found = uploader.scrape()
    assert found["csvpipe_upload_rows_total",] == 10 * sent
    assert found["csvpipe_upload_chunking_duration_seconds_count",] == sent
    assert found["csvpipe_http_requests_total", "POST", "/upload/csv", "202"] == sent
    assert found["csvpipe_http_requests_total", "POST", "/upload/csv", "400"] == 1
    assert found["csvpipe_published_messages_total", "acknowledged"] == 2 * sent
    assert found["csvpipe_ready", "disk"] == 1


def test_counts_survive_a_dead_worker_without_leftover_files(uploader: TwoWorkers) -> None:
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


def test_start_resets_counters_and_removes_files_of_a_killed_server(uploader: TwoWorkers) -> None:
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
