"""Two replicas, each a real process with a disk of its own, on one PostgreSQL and one Kafka behind a proxy."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.download_address import split_signed
from stack.errors import ProcessDiedError
from tests.support.kafka.topics import announced_messages, announcements
from tests.support.services import KafkaBroker
from tests.support.uploader.announcements import assert_announced
from tests.support.uploader.postgres import PostgresServer
from tests.support.uploader.replicas import Replica, ReplicaSet, running_replica, running_replicas
from tests.support.waiting import wait_until

CHUNKS = 5
ROWS = 200
HEADER = b"id,name\n"
BOUNDARY = "the-end-of-the-part"


@dataclass(frozen=True)
class Site:
    """What the tests talk to."""

    replicas: ReplicaSet
    broker: KafkaBroker
    topic: str
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return self.replicas.proxy.url

    def assert_announced(self, upload_ids: set[str], *, times: int = 1) -> None:
        """Check how often each chunk of these uploads stands in the topic."""
        found = announcements(self.broker, self.topic)
        these = Counter({chunk: number for chunk, number in found.items() if chunk[0] in upload_ids})
        log = "".join(replica.log() for replica in self.replicas.replicas)
        assert_announced(these, upload_ids, chunks=CHUNKS, log=log, times=times)


@pytest.fixture(scope="module")
def started(
    tmp_path_factory: pytest.TempPathFactory, kafka_broker: KafkaBroker, postgres: PostgresServer
) -> Iterator[Site]:
    topic = f"test-{uuid.uuid4().hex}"
    environment = {
        "DATABASE_URL": postgres.new_database(),
        "KAFKA_BROKER": kafka_broker.bootstrap,
        "KAFKA_TOPIC_INGEST": topic,
        "MIN_FREE_DISK_MB": "1",
        "LOW_DISK_MB": "1",
    }
    with running_replicas(tmp_path_factory.mktemp("replicas"), count=2, environment=environment) as replicas:
        yield Site(replicas, kafka_broker, topic, environment)


@pytest.fixture
def site(started: Site) -> Site:
    """Give the site with all replicas up, whatever the test before did to them."""
    for replica in started.replicas.replicas:
        if not replica.is_running:
            replica.start()
    return started


def csv_of(name: str) -> bytes:
    return HEADER + b"".join(b"%d,%s %d\n" % (row, name.encode(), row) for row in range(1, ROWS + 1))


def get(url: str, *, follow: bool = True, **headers: str) -> httpx.Response:
    # A connection each, so that the proxy hands out every request anew.
    return httpx.get(url, headers=headers, follow_redirects=follow, timeout=60, trust_env=False)


def upload(url: str, name: str, *, key: str | None = None) -> httpx.Response:
    return httpx.post(
        f"{url}/upload/csv?dataset_name={name}&chunk_type=count&chunk_size={CHUNKS}",
        files={"file": (f"{name}.csv", csv_of(name))},
        headers={"Idempotency-Key": key} if key else {},
        timeout=60,
        trust_env=False,
    )


def wait_until_announced(site: Site, upload_id: str) -> None:
    """Wait for it: an uploader answers 202 also where Kafka has not acknowledged everything yet."""
    wait_until(lambda: status(site.url, upload_id)["status"] == "announced", what="it is announced", deadline_s=120)


def upload_to_each(site: Site, names: list[str]) -> dict[str, str]:
    """Upload one file a name through the proxy; return the names by upload id. Every replica gets some of them."""
    found = {}
    for name in names:
        answer = upload(site.url, name)
        assert answer.status_code == 202, answer.text
        found[answer.json()["upload_id"]] = name
    for upload_id in found:
        wait_until_announced(site, upload_id)
    assert {site.replicas.replica_of(upload_id).name for upload_id in found} == {"replica-0", "replica-1"}
    return found


def status(url: str, upload_id: str) -> Any:
    answer = get(f"{url}/uploads/{upload_id}/status")
    assert answer.status_code == 200, answer.text
    return answer.json()


def download_url(url: str, upload_id: str, chunk_id: int) -> str:
    return f"{url}/chunks/{upload_id}/{chunk_id}/download"


def land(url: str, upload_id: str, chunk: dict[str, Any]) -> None:
    evidence = {"size_bytes": chunk["size_bytes"], "sha256": chunk["sha256"]}
    change = {"state": "landed", "evidence": evidence}
    answer = httpx.put(f"{url}/chunks/{upload_id}/{chunk['chunk_id']}/state", json=change, timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text


def assert_downloads_give_the_source(url: str, upload_id: str, name: str) -> Counter[int]:
    """Fetch every chunk twice through ``url`` and rebuild the source; return how many redirects there were to each."""
    redirects: Counter[int] = Counter()
    source = HEADER
    for chunk in status(url, upload_id)["chunks"]:
        answers = [get(download_url(url, upload_id, chunk["chunk_id"])) for _ in range(2)]
        for answer in answers:
            assert answer.status_code == 200, answer.text
            assert hashlib.sha256(answer.content).hexdigest() == chunk["sha256"]
            redirects[len(answer.history)] += 1
        source += answers[0].content.removeprefix(HEADER)
    assert source == csv_of(name)
    return redirects


def test_any_replica_answers_for_any_upload(site: Site) -> None:
    uploads = upload_to_each(site, ["red", "green", "blue", "white"])
    for upload_id in uploads:
        answers = [status(url, upload_id) for url in (site.url, site.url, *(r.url for r in site.replicas.replicas))]
        assert all(answer == answers[0] for answer in answers)
        assert answers[0]["chunk_counts"] == {"announced": CHUNKS}
        manifests = [get(f"{each.url}/uploads/{upload_id}/manifest").json() for each in site.replicas.replicas]
        assert manifests[0] == manifests[1]
    lists = [get(f"{each.url}/uploads").json() for each in site.replicas.replicas]
    assert lists[0] == lists[1]
    assert set(uploads) <= {each["upload_id"] for each in lists[0]["uploads"]}
    site.assert_announced(set(uploads))


def test_every_download_through_the_proxy_is_the_chunk(site: Site) -> None:
    uploads = upload_to_each(site, ["spring", "autumn"])
    for upload_id, name in uploads.items():
        # One request after the other: half of them come to the replica that has not got it, and are sent on once.
        assert assert_downloads_give_the_source(site.url, upload_id, name) == {0: CHUNKS, 1: CHUNKS}


def test_head_and_range_reach_the_holding_replica(site: Site) -> None:
    [upload_id, *_] = upload_to_each(site, ["north", "south"])
    replica = site.replicas.replica_of(upload_id)
    url = download_url(site.replicas.other_than(replica).url, upload_id, 3)
    whole = get(url).content
    head = httpx.head(url, follow_redirects=True, timeout=60, trust_env=False)
    assert (head.status_code, int(head.headers["content-length"]), len(head.history)) == (200, len(whole), 1)
    part = get(url, Range="bytes=10-49")
    assert (part.status_code, part.content) == (206, whole[10:50])


def test_message_has_the_address_of_the_storing_replica(site: Site) -> None:
    uploads = upload_to_each(site, ["east", "west"])
    messages = [each for each in announced_messages(site.broker, site.topic) if each.upload_id in uploads]
    assert len(messages) == 2 * CHUNKS
    for message in messages:
        replica = site.replicas.replica_of(message.upload_id)
        address, _ = split_signed(message.api_endpoint) or ("", "")
        assert address == download_url(replica.url, message.upload_id, message.chunk_id)
        answer = get(message.api_endpoint, follow=False)
        assert (answer.status_code, hashlib.sha256(answer.content).hexdigest()) == (200, message.sha256)


def test_either_replica_accepts_reports_and_deletions(site: Site) -> None:
    landed, deleted = upload_to_each(site, ["kept", "dropped"])
    for chunk in status(site.url, landed)["chunks"]:
        land(site.url, landed, chunk)
    storing = site.replicas.replica_of(deleted)
    other = site.replicas.other_than(storing)
    answer = httpx.delete(f"{other.url}/uploads/{deleted}?force=true", timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    for replica in site.replicas.replicas:
        assert status(replica.url, landed)["status"] == "landed"
        assert status(replica.url, deleted)["status"] == "aborted"
        assert get(download_url(replica.url, deleted, 1)).status_code == 410
    storing.make_look_old(deleted)
    wait_until(lambda: deleted not in storing.uploads_on_disk(), what="the replica removes the files", deadline_s=180)


def test_same_key_sent_to_both_replicas_gives_one_upload(site: Site) -> None:
    key, before = uuid.uuid4().hex, list(site.replicas.proxy.taken)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: upload(site.url, "same", key=key), range(8)))
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert [now - then for now, then in zip(site.replicas.proxy.taken, before, strict=True)] == [4, 4]
    [upload_id] = {answer.json()["upload_id"] for answer in answers}
    page = get(f"{site.url}/uploads?dataset=same").json()["uploads"]
    assert [each["upload_id"] for each in page] == [upload_id]
    wait_until_announced(site, upload_id)
    site.assert_announced({upload_id})
    assert_downloads_give_the_source(site.url, upload_id, "same")
    assert [each.locks() for each in site.replicas.replicas] == [[], []]


def test_killed_and_restarted_replica_loses_nothing(site: Site) -> None:
    uploads = upload_to_each(site, ["oak", "elm", "ash", "fir"])
    [lost, survivor] = site.replicas.replicas
    of_lost = [upload_id for upload_id in uploads if site.replicas.replica_of(upload_id) is lost]
    of_survivor = [upload_id for upload_id in uploads if upload_id not in of_lost]
    before = {upload_id: status(site.url, upload_id) for upload_id in uploads}
    url = download_url(site.url, of_lost[0], 1)
    lost.kill()

    # At once: 20 s after it has checked in last, it is known to be away.
    answer = get(url, follow=False)
    assert (answer.status_code, answer.json()["replica"]) == (307, lost.name)
    assert {upload_id: status(site.url, upload_id) for upload_id in uploads} == before
    wait_until(lambda: get(url, follow=False).status_code == 503, what="it is known to be away", deadline_s=120)
    answer = get(url)
    problem = answer.json()
    assert (problem["code"], problem["replica"], answer.headers["retry-after"]) == (
        "replica_unavailable",
        lost.name,
        "10",
    )
    assert "REPLICA_NAME" in problem["detail"]
    for upload_id in of_survivor:
        assert assert_downloads_give_the_source(site.url, upload_id, uploads[upload_id]) == {0: 2 * CHUNKS}
    meanwhile = upload(site.url, "meanwhile").json()["upload_id"]
    assert site.replicas.replica_of(meanwhile) is survivor
    wait_until_announced(site, meanwhile)

    lost.start()
    uploads[meanwhile] = "meanwhile"
    assert {upload_id: status(lost.url, upload_id) for upload_id in before} == before
    for upload_id, name in uploads.items():
        assert_downloads_give_the_source(site.url, upload_id, name)
    site.assert_announced(set(uploads))


def test_requests_during_an_outage_are_completed_by_the_restarted_replica(site: Site) -> None:
    again, deleted, *_ = sorted(
        upload_to_each(site, ["iron", "zinc", "lead", "gold"]),
        key=lambda upload_id: site.replicas.replica_of(upload_id).name,
    )
    replica = site.replicas.replica_of(again)
    assert site.replicas.replica_of(deleted) is replica
    replica.kill()
    answer = httpx.post(f"{site.url}/uploads/{again}/announce", timeout=60, trust_env=False)
    assert (answer.status_code, answer.json()["status"]) == (202, "awaiting_kafka")
    answer = httpx.delete(f"{site.url}/uploads/{deleted}?force=true", timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    replica.make_look_old(deleted)
    replica.start()
    wait_until(lambda: status(site.url, again)["status"] == "announced", what="it is announced again", deadline_s=180)
    site.assert_announced({again}, times=2)
    wait_until(lambda: deleted not in replica.uploads_on_disk(), what="the files are removed", deadline_s=180)


class HeldUpload:
    """An upload that stands still in its middle until :meth:`go_on`, in a thread of its own."""

    def __init__(self, url: str, name: str) -> None:
        self.answer: httpx.Response | None = None
        self._url, self._name = url, name
        self._may_go_on = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def go_on(self) -> httpx.Response | None:
        """Send the rest; return the answer, None where the connection broke."""
        self._may_go_on.set()
        self._thread.join()
        return self.answer

    def _send(self) -> None:
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        address = f"{self._url}/upload/csv?dataset_name={self._name}&chunk_type=rows&chunk_size={ROWS // CHUNKS}"
        try:
            self.answer = httpx.post(address, content=self._body(), headers=headers, timeout=120, trust_env=False)
        except httpx.TransportError:
            self.answer = None

    def _body(self) -> Iterator[bytes]:
        content = csv_of(self._name)
        disposition = f'Content-Disposition: form-data; name="file"; filename="{self._name}.csv"'
        yield f"--{BOUNDARY}\r\n{disposition}\r\n\r\n".encode() + content[: len(content) // 2]
        assert self._may_go_on.wait(180), "nobody let it go on"
        yield content[len(content) // 2 :] + f"\r\n--{BOUNDARY}--\r\n".encode()


def test_replica_killed_while_receiving_leaves_nothing_half_done(site: Site) -> None:
    known = {each["upload_id"] for each in get(f"{site.url}/uploads?limit=200").json()["uploads"]}
    held = [HeldUpload(site.url, name) for name in ("first", "second")]
    replicas = site.replicas.replicas
    wait_until(lambda: all(each.receiving() for each in replicas), what="each receives one", deadline_s=60)
    [lost, survivor] = replicas
    lost.kill()
    answers = [each.go_on() for each in held]
    [accepted] = [answer for answer in answers if answer is not None]
    assert accepted.status_code == 202, accepted.text
    lost.start()
    wait_until(lambda: lost.receiving() == [], what="what was half received goes", deadline_s=180)
    assert (survivor.receiving(), lost.locks(), survivor.locks()) == ([], [], [])
    upload_id = accepted.json()["upload_id"]
    for replica in replicas:
        page = get(f"{replica.url}/uploads?limit=200").json()["uploads"]
        assert {each["upload_id"] for each in page} - known == {upload_id}
        assert replica.uploads_on_disk() <= known | {upload_id}
    assert site.replicas.replica_of(upload_id) is survivor
    assert {upload_id for upload_id, _ in announcements(site.broker, site.topic)} <= known | {upload_id}
    assert_downloads_give_the_source(site.url, upload_id, accepted.json()["dataset_name"])


def test_second_replica_of_the_same_name_with_another_disk_is_refused(site: Site, tmp_path: Path) -> None:
    def start() -> Replica:
        with running_replica(tmp_path, "replica-0", site.environment) as second:
            return second

    with pytest.raises(ProcessDiedError, match="does not belong to replica replica-0") as refused:
        start()
    assert "REPLICA_NAME" in str(refused.value)
    assert [each.is_running for each in site.replicas.replicas] == [True, True]
