"""Resumable uploads to two replicas behind a proxy: any of them takes a request, the one with the bytes handles it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import httpx
import pytest

from contracts.digests import digest_field
from contracts.names import BYTES_PER_MB
from tests.support.uploader import tus
from tests.support.uploader.comparison import description_of
from tests.support.uploader.http_uploads import assert_problem
from tests.support.uploader.postgres import PostgresServer
from tests.support.uploader.replicas import Replica, ReplicaSet, running_replicas
from tests.support.waiting import wait_until
from uploader.disk.part_file import part_directory, part_ids

ROWS = b"id,name\r\n" + b"".join(b"%d,name of %d\r\n" % (row, row) for row in range(1, 200_000))
CLIENTS = 8


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[ReplicaSet]:
    environment = {"DATABASE_URL": postgres.new_database(), "MIN_FREE_DISK_MB": "1"}
    with running_replicas(tmp_path_factory.mktemp("replicas"), count=2, environment=environment) as running:
        for replica in running.replicas:
            replica.start()
        yield running


def _client(replica: Replica) -> httpx.Client:
    return httpx.Client(base_url=replica.url, timeout=60, trust_env=False)


def test_any_replica_takes_the_bytes(replicas: ReplicaSet) -> None:
    here, there = replicas.replicas
    with _client(here) as owner, _client(there) as other:
        path = tus.create(owner, len(ROWS), chunk_type="rows", chunk_size="50000")
        clients = [other, owner, other, other]
        bounds = [0, 100, 1_000_000, 1_000_001, len(ROWS)]
        for client, start, end in zip(clients, bounds, bounds[1:], strict=False):
            assert tus.offset_of(other, path) == start
            answer = tus.patch(client, path, ROWS[start:end], offset=start)
            assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(end)), answer.text
        upload_id = answer.headers["CSVPipe-Upload"]
        assert tus.head(other, path).headers["CSVPipe-Upload"] == upload_id
        plain = owner.post(
            "/upload/csv?dataset_name=people&chunk_type=rows&chunk_size=50000", files={"file": ("people.csv", ROWS)}
        )
    assert description_of(there.url, upload_id) == description_of(here.url, plain.json()["upload_id"])
    assert upload_id in here.uploads_on_disk()


def test_refusals_of_the_other_replica_reach_the_client(replicas: ReplicaSet) -> None:
    here, there = replicas.replicas
    with _client(here) as owner, _client(there) as other:
        path = tus.create(owner, 20)
        assert_problem(tus.patch(other, path, b"x", offset=5), 409, "offset_mismatch")
        wrong = digest_field("0" * 64)
        assert_problem(tus.patch(other, path, b"x", offset=0, Content_Digest=wrong), 460, "checksum_mismatch")
        assert_problem(tus.patch(other, path, b"a,b\n1,2,3\n1,2,3\n1,2\n", offset=0), 400, "invalid_csv")
        assert tus.head(other, path).status_code == 410
        path = tus.create(owner, 20)
        assert other.delete(path, headers=tus.TUS).status_code == 204
        assert tus.head(owner, path).status_code == 410


def test_newest_request_wins_across_replicas(replicas: ReplicaSet) -> None:
    here, there = replicas.replicas
    stuck, over = Event(), Event()

    def pieces() -> Iterator[bytes]:
        yield ROWS[: 2 * BYTES_PER_MB]
        stuck.set()
        over.wait(60)

    with _client(here) as owner, _client(there) as other, ThreadPoolExecutor(1) as pool:
        path = tus.create(owner, len(ROWS))
        older = pool.submit(lambda: tus.patch(other, path, pieces(), offset=0))
        assert stuck.wait(60)
        data = part_directory(here.temp_dir, path.rsplit("/", 1)[1]) / "data"
        # A look at the offset ends the older request, which may not have begun to read.
        wait_until(lambda: data.stat().st_size > 0, what="bytes have arrived", deadline_s=60)
        offset = tus.offset_of(owner, path)
        answer = tus.patch(owner, path, ROWS[offset:], offset=offset)
        assert answer.status_code == 204, answer.text
        over.set()
        assert older.exception() is not None or older.result().status_code == 423


def test_creation_is_repeated_at_any_replica(replicas: ReplicaSet) -> None:
    key = {"Idempotency-Key": "any-replica"}
    here, there = replicas.replicas
    with _client(here) as owner, _client(there) as other:
        path = tus.create(owner, len(ROWS), headers=key)
        assert tus.patch(owner, path, ROWS[:1000], offset=0).status_code == 204
        again = tus.try_create(other, len(ROWS), headers=key)
        told = (again.status_code, again.headers["Location"], again.headers["Upload-Offset"])
        assert told == (201, path, "1000")
        assert again.headers["Idempotency-Replayed"] == "true"
        assert part_ids(there.temp_dir) == []
        assert_problem(tus.try_create(other, 10, headers=key), 409, "idempotency_conflict")
        answer = tus.patch(other, again.headers["Location"], ROWS[1000:], offset=1000)
        assert answer.headers["CSVPipe-Upload"] in here.uploads_on_disk()


def test_body_of_a_repeated_creation_reaches_the_other_replica(replicas: ReplicaSet) -> None:
    told = tus.metadata(dataset_name="people", filename="people.csv")
    size = {"Upload-Length": str(len(ROWS)), "Upload-Metadata": told, "Idempotency-Key": "with-body"}
    here, there = replicas.replicas
    with _client(here) as owner, _client(there) as other:
        path = tus.create(owner, len(ROWS), headers={"Idempotency-Key": "with-body"})
        answer = other.post("/files", content=ROWS, headers={**tus.TUS, **tus.OCTETS, **size})
        assert (answer.status_code, answer.headers["Location"]) == (201, path), answer.text
        assert answer.headers["CSVPipe-Upload"] in here.uploads_on_disk()


def test_creations_at_the_same_time_at_all_replicas_make_one_upload(replicas: ReplicaSet) -> None:
    before = {part_id for replica in replicas.replicas for part_id in part_ids(replica.temp_dir)}
    together = Barrier(CLIENTS)

    def create(number: int) -> str:
        with _client(replicas.replicas[number % len(replicas.replicas)]) as client:
            together.wait()
            return tus.create(client, len(ROWS), headers={"Idempotency-Key": "all-at-once"})

    with ThreadPoolExecutor(CLIENTS) as pool:
        paths = set(pool.map(create, range(CLIENTS)))
    after = {part_id for replica in replicas.replicas for part_id in part_ids(replica.temp_dir)}
    assert {path.rsplit("/", 1)[1] for path in paths} == after - before
    assert len(paths) == 1


def test_replica_that_is_away_gives_503_until_it_is_back(replicas: ReplicaSet) -> None:
    key = {"Idempotency-Key": "away"}
    here, there = replicas.replicas
    with _client(here) as owner:
        path = tus.create(owner, len(ROWS), headers=key)
        assert tus.patch(owner, path, ROWS[:1000], offset=0).status_code == 204
    here.kill()
    try:
        with _client(there) as other:
            assert_problem(tus.patch(other, path, ROWS[1000:], offset=1000), 503, "replica_unavailable")
            assert_problem(tus.try_create(other, len(ROWS), headers=key), 503, "replica_unavailable")
    finally:
        here.start()
    with _client(there) as other:
        assert wait_until(lambda: tus.head(other, path).status_code == 200, what="it is back", deadline_s=60)
        assert tus.offset_of(other, path) == 1000
        answer = tus.patch(other, path, ROWS[1000:], offset=1000)
        assert answer.headers["CSVPipe-Upload"] in here.uploads_on_disk()
