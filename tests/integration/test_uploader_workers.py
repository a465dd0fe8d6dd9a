"""Several worker processes on one database and one disk, with a real broker: together they act as one."""

from __future__ import annotations

import json
import os
import signal
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path

import httpx
import psutil
import pytest

from stack.local import LocalStack
from tests.support.kafka.topics import announcements
from tests.support.services import OPEN_ACCESS, KafkaBroker, running_stack
from tests.support.uploader.announcements import assert_announced
from tests.support.uploader.postgres import PostgresServer
from tests.support.waiting import wait_until
from uploader.disk.directories import LOCK_FILE, STAGING
from uploader.disk.manifest_file import MANIFEST_FILE

WORKERS = 3
CSV = b"id,name\n" + b"".join(b"%d,name %d\n" % (row, row) for row in range(1, 11))
CHUNKS = 5
CLIENTS = 12


class Workers:
    """An uploader of several processes."""

    def __init__(self, stack: LocalStack, *, topic: str, broker: KafkaBroker) -> None:
        self.stack = stack
        self.topic = topic
        self.broker = broker
        settings = stack.context.settings
        self.url = f"http://{settings.host}:{settings.uploader_port}"
        self.temp_dir = stack.context.data_dir("uploader")

    def upload(self, *, key: str | None = None, rows: int = 10) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        # A connection each, so that the kernel spreads them over the workers.
        return httpx.post(
            f"{self.url}/upload/csv?dataset_name=people&chunk_type=rows&chunk_size={rows // CHUNKS}",
            files={"file": ("people.csv", CSV)},
            headers=headers,
            timeout=60,
            trust_env=False,
        )

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", timeout=30, trust_env=False)

    def uploads(self) -> dict[str, str]:
        """Return the status of every upload."""
        found: dict[str, str] = {}
        query: dict[str, str] | None = {"limit": "200"}
        while query:
            page = httpx.get(f"{self.url}/uploads", params=query, trust_env=False).json()
            found |= {each["upload_id"]: each["status"] for each in page["uploads"]}
            query = {**query, "cursor": page["next_cursor"]} if page["next_cursor"] else None
        return found

    def directories(self) -> set[str]:
        """Return what lies on the disk, but for the database."""
        found = {path.name for path in self.temp_dir.iterdir() if path.is_dir() and path.name != STAGING}
        receiving = self.temp_dir / STAGING
        return found | ({f"{STAGING}/{path.name}" for path in receiving.iterdir()} if receiving.exists() else set())

    def clean_leftovers(self) -> None:
        """Have what kills have left removed by a start, which looks at it at once.

        Its time is put back before: it is kept for a minute, as a commit may still be under way.
        """
        known = set(self.uploads())
        for name in self.directories() - known:
            # Killed between its rename and its commit it is still locked; in .receiving it may have lost its lock.
            for path in (self.temp_dir / name / LOCK_FILE, self.temp_dir / name):
                with suppress(FileNotFoundError):  # the cleaner was faster
                    os.utime(path, (0, 0))
        self.stack.stop(["uploader"])
        self.stack.start(["uploader"])

    def log(self) -> str:
        """Return what the uploader has logged."""
        [managed] = self.stack.processes_of("uploader")
        return managed.log.read_text(encoding="utf-8")

    def messages(self) -> Counter[tuple[str, int]]:
        """Return how often each chunk stands in the topic."""
        return announcements(self.broker, self.topic)

    def processes(self) -> list[psutil.Process]:
        [managed] = self.stack.processes_of("uploader")
        assert managed.pid is not None
        parent = psutil.Process(managed.pid)
        return [parent, *parent.children(recursive=True)]

    def kill(self) -> None:
        """Take all processes away at once."""
        for process in self.processes():
            process.send_signal(signal.SIGSTOP)
        [managed] = self.stack.processes_of("uploader")
        managed.kill(signal.SIGKILL, family=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def workers(request: pytest.FixtureRequest, tmp_path: Path, kafka_broker: KafkaBroker) -> Iterator[Workers]:
    topic = f"test-{uuid.uuid4().hex}"
    environment = {"KAFKA_BROKER": kafka_broker.bootstrap, "KAFKA_TOPIC_INGEST": topic, "MIN_FREE_DISK_MB": "1"}
    # The kernel may give one worker more connections than its share: that must not be too many for it.
    environment["MAX_CONCURRENT_UPLOADS"] = str(CLIENTS)
    environment |= OPEN_ACCESS
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        environment["DATABASE_URL"] = server.new_database()
    with running_stack(tmp_path, ["uploader"], uploader_workers=WORKERS, uploader_environment=environment) as stack:
        yield Workers(stack, topic=topic, broker=kafka_broker)


def test_every_chunk_is_announced_once(workers: Workers) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda _: workers.upload(), range(36)))
    assert [answer.text for answer in answers if answer.status_code != 202] == []
    ids = {answer.json()["upload_id"] for answer in answers}
    wait_until(lambda: set(workers.uploads().values()) == {"announced"}, what="all are announced", deadline_s=120)
    assert_announced(workers.messages(), ids, chunks=CHUNKS, log=workers.log())
    assert workers.directories() == ids


def test_same_key_to_several_workers_gives_one_upload(workers: Workers) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda _: workers.upload(key="the-key"), range(CLIENTS)))
    assert [answer.text for answer in answers if answer.status_code not in {200, 202}] == []
    [upload_id] = {answer.json()["upload_id"] for answer in answers}
    assert workers.upload(key="the-key", rows=5).status_code == 409
    assert set(workers.uploads()) == workers.directories() == {upload_id}
    wait_until(lambda: workers.uploads() == {upload_id: "announced"}, what="it is announced", deadline_s=120)
    assert_announced(workers.messages(), {upload_id}, chunks=CHUNKS, log=workers.log())


def test_landings_reported_to_all_workers_are_all_counted(workers: Workers) -> None:
    upload_id = workers.upload().json()["upload_id"]
    chunks = workers.get(f"/uploads/{upload_id}/status").json()["chunks"]

    def land(chunk: dict[str, object]) -> int:
        evidence = {"size_bytes": chunk["size_bytes"], "sha256": chunk["sha256"]}
        return httpx.put(
            f"{workers.url}/chunks/{upload_id}/{chunk['chunk_id']}/state",
            content=json.dumps({"state": "landed", "evidence": evidence}),
            headers={"Content-Type": "application/json"},
            timeout=60,
            trust_env=False,
        ).status_code

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(land, chunks * 2)) == {200}
    status = workers.get(f"/uploads/{upload_id}/status").json()
    assert (status["status"], status["chunk_counts"]) == ("landed", {"landed": CHUNKS})


def test_kill_loses_no_accepted_upload_and_leaves_nothing_else(workers: Workers) -> None:
    accepted: set[str] = set()

    def upload_until_killed(_: int) -> None:
        while True:
            try:
                answer = workers.upload()
            except httpx.TransportError:
                return
            accepted.add(answer.json()["upload_id"])

    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(upload_until_killed, number) for number in range(6)]
        wait_until(lambda: len(accepted) > 10, what="uploads are accepted", deadline_s=60, poll_s=0.01)
        workers.kill()
        for each in running:
            each.result(timeout=120)
    workers.stack.start(["uploader"])
    found = workers.uploads()
    assert accepted <= set(found)
    wait_until(lambda: set(workers.uploads().values()) == {"announced"}, what="all are announced", deadline_s=120)
    announced = workers.messages()
    assert {(u, c) for u in found for c in range(1, CHUNKS + 1)} == set(announced)
    workers.clean_leftovers()
    wait_until(lambda: workers.directories() == set(found), what="nothing else is left", deadline_s=120)
    for upload_id in found:
        for path in (workers.temp_dir / upload_id).iterdir():
            assert path.suffix == ".csv" or path.name == MANIFEST_FILE, f"{path} is left"


def test_kills_during_repeated_uploads_leave_no_unknown_files(workers: Workers) -> None:
    """Every upload is sent twice under its key, so that half of the directories are thrown away while it is killed."""
    answered: dict[str, set[str]] = {}

    def upload_until_killed(client: int, round_: int) -> None:
        for number in count():
            key = f"{client}/{round_}/{number}"
            for _ in range(2):
                try:
                    answer = workers.upload(key=key)
                except httpx.TransportError:
                    answered.setdefault(key, set())
                    return
                assert answer.status_code == 202, answer.text
                answered.setdefault(key, set()).add(answer.json()["upload_id"])

    for round_ in range(3):
        before = len(answered)
        with ThreadPoolExecutor(6) as pool:
            running = [pool.submit(upload_until_killed, client, round_) for client in range(6)]
            wait_until(lambda: len(answered) > before + 10, what="uploads are accepted", deadline_s=60, poll_s=0.01)  # noqa: B023  called in this round
            workers.kill()
            for each in running:
                each.result(timeout=120)
        workers.stack.start(["uploader"])
        for key, ids in answered.items():
            if not ids:  # its client was never answered, and sends again
                ids.add(workers.upload(key=key).json()["upload_id"])
    assert [ids for ids in answered.values() if len(ids) != 1] == []
    known = {upload_id for ids in answered.values() for upload_id in ids}
    assert set(workers.uploads()) == known
    workers.clean_leftovers()
    wait_until(lambda: workers.directories() == known, what="nothing else is left", deadline_s=120)
    assert not [line for line in workers.log().splitlines() if "csvpipe recover" in line or "no manifest" in line]


def test_dropped_database_connections_need_no_restart(
    tmp_path: Path, kafka_broker: KafkaBroker, postgres: PostgresServer
) -> None:
    url = postgres.new_database()
    environment = {"KAFKA_BROKER": kafka_broker.bootstrap, "DATABASE_URL": url, "MIN_FREE_DISK_MB": "1", **OPEN_ACCESS}
    with running_stack(tmp_path, ["uploader"], uploader_workers=1, uploader_environment=environment) as stack:
        workers = Workers(stack, topic="csv-ingestion", broker=kafka_broker)
        upload_id = workers.upload().json()["upload_id"]
        for _ in range(3):
            postgres.drop_connections(url)
            assert workers.get(f"/uploads/{upload_id}/status").status_code == 200
            assert workers.upload().status_code == 202
