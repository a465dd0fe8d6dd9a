"""Services are stopped, started and killed while data is in flight; every row still arrives exactly once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.names import BYTES_PER_MB
from tests.support.pipeline.csv_data import CsvFile, write_csv
from tests.support.pipeline.pipeline import Pipeline, accepted
from tests.support.waiting import wait_until


def test_kafka_stopped_and_started_during_upload(pipeline: Pipeline, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "data.csv", size_bytes=8 * BYTES_PER_MB)
    with _upload_held_in_the_middle(pipeline, file, "kafka-away") as (response, go_on):
        pipeline.stack.stop(["kafka"])
        go_on()
        answer = accepted(response.result())

    assert answer["status"] == "awaiting_kafka"
    wait_until(lambda: pipeline.ready_status() == 503, what="/ready says that Kafka is away", deadline_s=90)
    pipeline.stack.start(["kafka"])
    pipeline.wait_until_landed(answer["upload_id"])
    wait_until(lambda: pipeline.ready_status() == 200, what="/ready says that Kafka is back", deadline_s=90)
    pipeline.check_nothing_left_over()
    pipeline.check_landed_exactly_once(answer["upload_id"], "kafka-away", file)


def test_nifi_unavailable_when_chunks_are_relayed(pipeline: Pipeline, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "data.csv", size_bytes=4 * BYTES_PER_MB)
    pipeline.stack.stop(["nifi"])
    answer = pipeline.upload(file, "nifi-away", "size", 1)
    _wait_for_task(pipeline, answer["upload_id"], lambda task: task["state"] == "up_for_retry")
    assert pipeline.keys("nifi-away") == []

    pipeline.stack.start(["nifi"])

    pipeline.wait_until_landed(answer["upload_id"])
    pipeline.check_nothing_left_over()
    pipeline.check_landed_exactly_once(answer["upload_id"], "nifi-away", file)


def test_object_store_unavailable_when_a_run_starts(pipeline: Pipeline, tmp_path: Path) -> None:
    """The first task fails in the outage. It is retried within seconds of MinIO's return, not after 5 minutes."""
    file = write_csv(tmp_path / "data.csv", size_bytes=4 * BYTES_PER_MB)
    pipeline.stack.stop(["minio"])
    answer = pipeline.upload(file, "minio-away", "size", 1)
    _wait_for_task(pipeline, answer["upload_id"], lambda task: task["state"] == "up_for_retry")

    pipeline.stack.start(["minio"])

    pipeline.wait_until_landed(answer["upload_id"], deadline_s=240)
    pipeline.check_nothing_left_over()
    pipeline.check_landed_exactly_once(answer["upload_id"], "minio-away", file)


def test_nifi_restarted_while_chunks_wait_in_it(pipeline: Pipeline, tmp_path: Path) -> None:
    """MinIO is away before any chunk is stored, so all of them wait in NiFi."""
    file = write_csv(tmp_path / "data.csv", size_bytes=120 * BYTES_PER_MB)
    with pipeline.nothing_stored():
        answer = pipeline.upload(file, "nifi-stops", "size", 3)
        pipeline.wait(lambda: _all_relayed(pipeline.status(answer["upload_id"])), "every chunk is relayed", 120)
        pipeline.stack.kill("minio", signal.SIGKILL)
    waiting = pipeline.waiting_in_nifi()
    assert waiting >= answer["total_chunks"]

    pipeline.stack.restart("nifi")
    assert pipeline.waiting_in_nifi() == waiting
    pipeline.stack.start(["minio"])

    pipeline.wait_until_landed(answer["upload_id"])
    pipeline.check_nothing_left_over()
    pipeline.check_landed_exactly_once(answer["upload_id"], "nifi-stops", file)


def test_uploader_killed_during_an_upload(pipeline: Pipeline, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "data.csv", size_bytes=8 * BYTES_PER_MB)
    messages_before = pipeline.end_offsets()
    with _upload_held_in_the_middle(pipeline, file, "killed-receiving") as (response, go_on):
        wait_until(pipeline.half_received, what="chunk files are being written", deadline_s=90)
        pipeline.stack.kill("uploader", signal.SIGKILL, family=True)
        go_on()
        with pytest.raises(httpx.TransportError):
            response.result()

    pipeline.stack.start(["uploader"])

    wait_until(lambda: not pipeline.half_received(), what="what was half received is removed", deadline_s=90)
    assert pipeline.uploads_of("killed-receiving") == []
    assert pipeline.end_offsets() == messages_before
    answer = pipeline.upload(file, "killed-receiving", "size", 1)
    pipeline.wait_until_landed(answer["upload_id"])
    pipeline.check_nothing_left_over()
    pipeline.check_landed_exactly_once(answer["upload_id"], "killed-receiving", file)


def test_uploader_killed_between_commit_and_publishing(pipeline: Pipeline, tmp_path: Path) -> None:
    """Kafka is frozen, so publishing hangs after the manifest was committed; then the uploader is killed.

    It tries for seconds, and then answers: on a slow machine this can be before the kill.
    """
    file = write_csv(tmp_path / "data.csv", size_bytes=4 * BYTES_PER_MB)
    messages_before = pipeline.end_offsets()
    pipeline.stack.kill("kafka", signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        try:
            response = pool.submit(pipeline.upload, file, "killed-announcing", "size", 1)
            (upload,) = wait_until(
                lambda: pipeline.uploads_of("killed-announcing"),
                what="the manifest is committed",
                deadline_s=90,
                poll_s=0.02,
            )
            pipeline.stack.kill("uploader", signal.SIGKILL, family=True)
        finally:
            pipeline.stack.kill("kafka", signal.SIGKILL)  # and with it the unread data in its sockets
        with suppress(httpx.TransportError):
            assert response.result()["status"] == "awaiting_kafka"

    pipeline.stack.start(["kafka"])
    assert pipeline.end_offsets() == messages_before
    pipeline.stack.start(["uploader"])

    pipeline.wait_until_landed(upload["upload_id"])
    pipeline.check_nothing_left_over()
    pipeline.check_landed_exactly_once(upload["upload_id"], "killed-announcing", file)
    assert pipeline.end_offsets() == messages_before + 4


@pytest.mark.parametrize("family", [False, True], ids=["alone", "with-its-children"])
@pytest.mark.parametrize("process", ["airflow-triggerer", "airflow-scheduler"])
def test_airflow_killed_while_messages_flow(pipeline: Pipeline, tmp_path: Path, process: str, family: bool) -> None:
    """Messages arrive before the kill, while the process is dead, and after its restart.

    Of those before it, no chunk is stored before the kill, however long it takes to get there.
    """
    names = [f"{process}-{family}-{number}" for number in range(12)]
    files = [write_csv(tmp_path / name, size_bytes=BYTES_PER_MB, salt=name) for name in names]

    def upload(some: slice) -> list[str]:
        pairs = zip(files[some], names[some], strict=True)
        return [pipeline.upload(file, name, "count", 3)["upload_id"] for file, name in pairs]

    upload_ids = upload(slice(0, 1))
    pipeline.wait_for_landed_chunks(upload_ids[0], 1)
    with pipeline.nothing_stored():
        upload_ids += upload(slice(1, 6))
        pipeline.stack.kill(process, signal.SIGKILL, family=family)
    upload_ids += upload(slice(6, 9))
    pipeline.stack.start(["airflow"])
    upload_ids += upload(slice(9, 12))

    for upload_id in upload_ids:
        pipeline.wait_until_landed(upload_id)
    pipeline.check_nothing_left_over(deadline_s=120)
    for upload_id, name, file in zip(upload_ids, names, files, strict=True):
        pipeline.check_landed_exactly_once(upload_id, name, file)


@contextmanager
def _upload_held_in_the_middle(
    pipeline: Pipeline, file: CsvFile, dataset: str
) -> Iterator[tuple[Future[httpx.Response], Callable[[], None]]]:
    """Send half of ``file``; return the future response and the event that releases the other half."""
    half_sent, go_on = threading.Event(), threading.Event()

    def content() -> Iterator[bytes]:
        data = file.path.read_bytes()
        middle = len(data) // 2
        for start in range(0, middle, BYTES_PER_MB):
            yield data[start : min(start + BYTES_PER_MB, middle)]
        half_sent.set()
        assert go_on.wait(120), "the test did not let the other half go"
        yield data[middle:]

    fields = {"dataset_name": dataset, "chunk_type": "size", "chunk_size": "1"}
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(pipeline.post, fields, content())
        try:
            assert half_sent.wait(120), "half of the file could not be sent"
            yield response, go_on.set
        finally:
            go_on.set()


def _wait_for_task(pipeline: Pipeline, upload_id: str, condition: Callable[[dict[str, object]], bool]) -> None:
    """Wait until a task of the upload's run meets ``condition``."""

    def found() -> bool:
        runs = [run["dag_run_id"] for run in pipeline.chunk_runs(upload_id)]
        return any(condition(task) for run in runs for task in pipeline.tasks(run))

    pipeline.wait(found, "the task is there", 180)


def _all_relayed(status: dict[str, Any]) -> bool:
    return all(chunk["relayed_at"] is not None for chunk in status["chunks"])
