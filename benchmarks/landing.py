"""Time from the end of an upload until all its objects are in the bucket, by stage.

``python -m benchmarks.landing`` measures one small upload, one of ten chunks, and a hundred small ones.

It runs against the local stack of this checkout; where none runs, it starts one on free ports and removes it in the
end. The times are those that the services themselves keep, all on one clock:

- commit: the client's last byte to the committed manifest (fsync)
- announce: to Kafka's acknowledgement of the last chunk
- listener: to the start of the Airflow run that carries the upload
- relay: to NiFi's acceptance of the last chunk
- NiFi: to the last object's arrival in the bucket (it works while the relay goes on, so this is what is left)
- monitor: to the uploader's knowledge that all have landed
- manifest: to the manifest's arrival in the bucket

"all objects" is the time from the client's last byte to the last object, for each upload; "after the last upload" that
from the last byte of the last upload to the last object of all. A cell holds the median and the longest of a case's
uploads, in seconds; a stage that was over before the one in front of it counts 0. MB are of 1024 * 1024 bytes, as those
of the uploader's ``chunk_size``.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.names import BUCKET_RAW, BYTES_PER_MB, DAG_CHUNK_INGESTION, manifest_key, object_key
from csvpipe.client import ANSWER_TIMEOUT_S, UploaderClient
from stack.airflow_api import AirflowApi
from stack.local import LocalStack
from stack.report import ConsoleReport
from stack.s3 import s3_client
from stack.settings import StackSettings

STAGES = ("commit", "announce", "listener", "relay", "NiFi", "monitor", "manifest")
_COLUMNS = (*STAGES, "all objects", "after the last upload")
_DEADLINE_S = 900
_POLL_S = 0.5


@dataclass(frozen=True)
class Case:
    """A set of uploads: number, size, chunking, and concurrency."""

    title: str
    uploads: int
    size_mb: int
    chunk_mb: int
    at_once: int = 1


CASES = {
    "one": Case("1 upload of 1 chunk (10 MB)", 1, 10, 50),
    "ten": Case("1 upload of 10 chunks of 50 MB", 1, 500, 50),
    "hundred": Case("100 uploads of 1 MB", 100, 1, 50, at_once=4),
}
_WARM_UP = Case("not shown: the first upload of a fresh stack waits for imports", 1, 1, 50)


@dataclass(frozen=True)
class Sent:
    """An accepted upload, with the time at which its last byte was sent."""

    upload_id: str
    dataset: str
    last_byte_at: datetime


def main() -> None:
    options = _arguments()
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    with _stack(own=options.own) as stack:
        _measure(stack, _WARM_UP, _make_csv(_WARM_UP.size_mb * BYTES_PER_MB), f"bench-warm-up-{int(time.time())}")
        print(f"\n| case, seconds | {' | '.join(_COLUMNS)} |\n|---|{'---:|' * len(_COLUMNS)}", flush=True)
        for name in options.cases.split(","):
            _run(stack, CASES[name], options.repeat)


def _run(stack: LocalStack, case: Case, repeat: int) -> None:
    data = _make_csv(case.size_mb * BYTES_PER_MB)
    times: list[dict[str, float]] = []
    for trial in range(repeat):
        times += _measure(stack, case, data, f"bench-{case.uploads}-{case.size_mb}-{trial}-{int(time.time())}")
    _print_line(case, times)


def _measure(stack: LocalStack, case: Case, data: bytes, dataset: str) -> list[dict[str, float]]:
    settings, key = stack.context.settings, stack.context.secrets.client_key
    url = f"http://{settings.host}:{settings.uploader_port}"
    with UploaderClient(url, key=key, key_origin="the stack") as client, ThreadPoolExecutor(case.at_once) as pool:
        sent = list(pool.map(lambda number: _send(client, case, data, f"{dataset}-{number}"), range(case.uploads)))
        statuses = [_wait_until_landed(client, each.upload_id) for each in sent]
    airflow = AirflowApi(f"http://{settings.host}:{settings.airflow_port}")
    runs = airflow.runs(DAG_CHUNK_INGESTION, limit=4 * case.uploads + 20)
    bucket = _Bucket(stack)
    measured = [_stages(each, status, runs, bucket) for each, status in zip(sent, statuses, strict=True)]
    begin = max(each.last_byte_at for each in sent)
    whole = max(found["objects_at"] for found in measured) - begin.timestamp()
    return [{**found, "after the last upload": whole} for found in measured]


def _send(client: UploaderClient, case: Case, data: bytes, dataset: str) -> Sent:
    fields = {"dataset_name": dataset, "chunk_type": "size", "chunk_size": str(case.chunk_mb)}
    content = _NotedBytes(data)
    files = {"file": ("bench.csv", content)}
    answer = client.request("POST", "/upload/csv", data=fields, files=files, timeout=ANSWER_TIMEOUT_S)
    return Sent(answer.json()["upload_id"], dataset, content.read_at)


class _NotedBytes(io.BytesIO):
    """Bytes that note when the last of them was read."""

    read_at = datetime.max.replace(tzinfo=UTC)

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes."""
        self.read_at = datetime.now(UTC)
        return super().read(size)


def _wait_until_landed(client: UploaderClient, upload_id: str) -> dict[str, Any]:
    end = time.monotonic() + _DEADLINE_S
    while True:
        status = client.status_document(upload_id).json()
        if status["state"] == "landed":
            return dict(status)
        if status["state"] == "failed" or time.monotonic() > end:
            raise SystemExit(f"upload {upload_id} is {status['status']}: {status['error']}")
        time.sleep(_POLL_S)


class _Bucket:
    """Arrival times of objects in milliseconds, from the listing: HEAD has whole seconds only."""

    def __init__(self, stack: LocalStack) -> None:
        settings = stack.context.settings
        self._client = s3_client(stack.context, f"http://{settings.host}:{settings.minio_port}")

    def arrivals(self, dataset: str) -> dict[str, datetime]:
        """Return the arrival times by key."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET_RAW, Prefix=f"{dataset}/")
        return {entry["Key"]: entry["LastModified"] for page in pages for entry in page.get("Contents", [])}

    def wait_for(self, dataset: str, key: str) -> dict[str, datetime]:
        """Return the arrival times once ``key`` has arrived."""
        end = time.monotonic() + _DEADLINE_S
        while key not in (arrivals := self.arrivals(dataset)):
            if time.monotonic() > end:
                raise SystemExit(f"{key} did not arrive")
            time.sleep(_POLL_S)
        return arrivals


def _stages(sent: Sent, status: dict[str, Any], runs: list[dict[str, Any]], bucket: _Bucket) -> dict[str, float]:
    """Return the duration of each stage in seconds."""
    manifest = manifest_key(sent.dataset, sent.upload_id)
    arrivals = bucket.wait_for(sent.dataset, manifest)
    objects = max(arrivals[object_key(sent.dataset, chunk["filename"])] for chunk in status["chunks"])
    started = [run["start_date"] for run in runs if run["dag_run_id"].startswith(sent.upload_id)]
    if not started:
        raise SystemExit(f"Airflow knows no run of upload {sent.upload_id}")
    moments = [
        sent.last_byte_at,
        _moment(status["chunked_at"]),
        max(_moment(chunk["announced_at"]) for chunk in status["chunks"]),
        max(map(_moment, started)),
        max((_moment(chunk["relayed_at"]) for chunk in status["chunks"] if chunk["relayed_at"]), default=objects),
        objects,
        _moment(status["landed_at"]),
        arrivals[manifest],
    ]
    times, reached = {}, moments[0]
    for stage, moment in zip(STAGES, moments[1:], strict=True):
        times[stage] = max(0.0, (moment - reached).total_seconds())
        reached = max(reached, moment)
    times["all objects"] = (objects - sent.last_byte_at).total_seconds()
    times["objects_at"] = objects.timestamp()
    return times


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _print_line(case: Case, times: list[dict[str, float]]) -> None:
    cells = [[found[column] for found in times] for column in _COLUMNS]
    shown = [f"{statistics.median(cell):.1f} ({max(cell):.1f})" for cell in cells]
    print(f"| {case.title} | {' | '.join(shown)} |", flush=True)


def _make_csv(size_bytes: int) -> bytes:
    """Return rows of at most ``size_bytes``; one byte more would be another chunk."""
    out = bytearray(b"id,carrier,origin,destination,distance,remark\n")
    number, part = 0, b""
    while len(out) + len(part) <= size_bytes:
        out += part
        rows = range(number, number + 1000)
        part = b"".join(b"%d,UA,EWR,IAH,%d,%064d\n" % (row, row % 4983, row * 2_654_435_761) for row in rows)
        number += 1000
    return bytes(out)


@contextmanager
def _stack(*, own: bool) -> Iterator[LocalStack]:
    present = LocalStack()
    if not own and any(process.pid for process in present.all_processes()):
        yield present
        return
    print("Starting a stack for the benchmark")
    with tempfile.TemporaryDirectory(prefix="csvpipe-bench-") as root:
        fresh = LocalStack(root=Path(root), settings=StackSettings.on_free_ports(), report=ConsoleReport())
        try:
            fresh.start()
            yield fresh
        finally:
            fresh.stop()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES), help=f"some of {', '.join(CASES)}")
    parser.add_argument("--repeat", type=int, default=1, help="trials of each case")
    parser.add_argument("--own", action="store_true", help="start a new stack even if one is running")
    return parser.parse_args()


if __name__ == "__main__":
    main()
