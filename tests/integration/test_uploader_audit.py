"""The audit chains of real uploaders that are killed under load: unbroken, and with a record of each change."""

from __future__ import annotations

import json
import random
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from contracts.audit import AuditAction
from csvpipe.cli import main
from tests.support.services import OPEN_ACCESS, KafkaBroker, running_stack
from tests.support.uploader.postgres import PostgresServer
from tests.support.uploader.replicas import Replica
from tests.support.waiting import wait_until
from uploader.store.audit import AuditQuery
from uploader.store.store import Store, open_store
from uploader.store.uploads import UploadQuery

WORKERS = 2
CLIENTS = 6
KILLS = 5
CSV = b"id,name\n" + b"".join(b"%d,name %d\n" % (row, row) for row in range(1, 11))
SMALL = {"MIN_FREE_DISK_MB": "1", "LOW_DISK_MB": "1", "BALLAST_MB": "1", "ACCESS": "open"}
VERIFY = ["audit", "verify", "--database", "--json"]


class Cluster:
    """Uploaders of several workers on one database."""

    def __init__(self, replicas: list[Replica], environment: dict[str, str]) -> None:
        self.replicas = replicas
        self.environment = environment

    def store(self) -> Store:
        """Open the database."""
        default = f"sqlite:///{self.replicas[0].temp_dir / 'manifest.sqlite3'}"
        return open_store(self.environment.get("DATABASE_URL", default))


@pytest.fixture(params=["sqlite", "postgresql"])
def cluster(
    request: pytest.FixtureRequest, tmp_path: Path, kafka_broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    """Give one replica on SQLite, or two on one PostgreSQL, and their database to commands of this process."""
    environment = {**SMALL, "KAFKA_BROKER": kafka_broker.bootstrap, "KAFKA_TOPIC_INGEST": f"test-{uuid.uuid4().hex}"}
    environment["MAX_CONCURRENT_UPLOADS"] = str(CLIENTS)
    names = ["replica-0"]
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        environment["DATABASE_URL"] = server.new_database()
        names.append("replica-1")
    with ExitStack() as stack:
        replicas = [
            Replica(
                name,
                stack.enter_context(
                    running_stack(
                        tmp_path / name,
                        ["uploader"],
                        uploader_workers=WORKERS,
                        uploader_environment={**OPEN_ACCESS, **environment, "REPLICA_NAME": name},
                    )
                ),
            )
            for name in names
        ]
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("TEMP_DIR", str(replicas[0].temp_dir))
        if "DATABASE_URL" in environment:
            monkeypatch.setenv("DATABASE_URL", environment["DATABASE_URL"])
        yield Cluster(replicas, environment)


def test_chains_survive_kills_and_every_change_has_its_record(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    accepted: set[str] = set()
    deleted: set[str] = set()
    stop = threading.Event()

    def change_until_stopped(client: int) -> None:
        url = cluster.replicas[client % len(cluster.replicas)].url
        while not stop.is_set():
            try:
                _change_once(url, accepted, deleted)
            except httpx.TransportError:
                stop.wait(0.05)  # it was killed, and comes back

    rng = random.Random(20261129)
    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(change_until_stopped, client) for client in range(CLIENTS)]
        try:
            for _ in range(KILLS):
                enough = len(accepted) + rng.randint(3, 15)
                wait_until(_more_than(accepted, enough), what="uploads are accepted", deadline_s=90, poll_s=0.001)
                replica = rng.choice(cluster.replicas)
                replica.kill()
                replica.start()
        finally:
            stop.set()
        for each in running:
            each.result(timeout=120)
    assert deleted

    capsys.readouterr()
    with pytest.raises(SystemExit) as done:
        main(VERIFY)
    shown = capsys.readouterr()
    assert done.value.code in {0, None}, shown.out + shown.err
    chains = json.loads(shown.out)["chains"]
    assert [chain["replica"] for chain in chains] == [replica.name for replica in cluster.replicas]
    with closing(cluster.store()) as store:
        uploads = {upload.upload_id for upload, _ in store.uploads.list_page(UploadQuery(limit=10_000))}
        assert sorted(_recorded(store, AuditAction.UPLOAD)) == sorted(uploads)
        assert accepted <= uploads
        assert deleted <= set(_recorded(store, AuditAction.DELETE))


def _change_once(url: str, accepted: set[str], deleted: set[str]) -> None:
    """Upload a file, and delete every second one."""
    answer = httpx.post(
        f"{url}/upload/csv?dataset_name=people&chunk_type=rows&chunk_size=5",
        files={"file": ("people.csv", CSV)},
        timeout=60,
        trust_env=False,
    )
    assert answer.status_code == 202, answer.text
    upload_id = answer.json()["upload_id"]
    accepted.add(upload_id)
    if int(upload_id, 16) % 2:
        answer = httpx.delete(f"{url}/uploads/{upload_id}?force=true", timeout=60, trust_env=False)
        assert answer.status_code == 200, answer.text
        deleted.add(upload_id)


def _more_than(found: set[str], number: int) -> Callable[[], bool]:
    return lambda: len(found) > number


def _recorded(store: Store, action: AuditAction) -> list[str]:
    return [record.upload_id or "" for record in store.audit.list_page(AuditQuery(limit=100_000, action=action))]
