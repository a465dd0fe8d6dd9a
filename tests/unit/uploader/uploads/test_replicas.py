"""Downloads of chunks that are stored on another replica."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from urllib.parse import urlsplit

import httpx
import pytest

from contracts.download_address import split_signed
from tests.support.signatures import FAKE_SIGNATURE, signer
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.uploader.uploads import SettableClock, chunk_bytes
from uploader.domain.records import UploadRecord
from uploader.domain.replica_identity import ReplicaIdentity
from uploader.errors import ChunkOnOtherReplicaError, ChunkRedirectedError, ReplicaUnavailableError
from uploader.store.store import Store
from uploader.uploads.replicas import UNAVAILABLE_AFTER, Replicas

REPLICA_URL = "http://replica:8000/csv"


class TestElsewhere:
    @pytest.fixture
    def upload(self, create: Callable[..., UploadRecord]) -> UploadRecord:
        return create(replica="replica-1", with_files=False)

    def check_in(self, store: Store, clock: SettableClock, *, base_url: str = REPLICA_URL) -> None:
        store.replicas.assign_disk("replica-1", "1" * 32)
        replica = ReplicaIdentity(name="replica-1", base_url=base_url, worker="replica-1/worker")
        Replicas(store=store, replica=replica, signer=signer(clock=clock), clock=clock).check_in()

    def test_client_is_redirected_to_the_last_address_of_the_replica(
        self, replicas: Replicas, store: Store, clock: SettableClock, upload: UploadRecord
    ) -> None:
        self.check_in(store, clock, base_url="http://before-its-restart:8000")
        self.check_in(store, clock)
        clock.advance(seconds=UNAVAILABLE_AFTER.total_seconds())
        found = replicas.locate_elsewhere(upload, 2, redirected_by=None)
        assert type(found) is ChunkRedirectedError
        signature = signer(clock=clock).sign(upload.upload_id, 2, valid_for=timedelta(minutes=5))
        path = f"/chunks/{upload.upload_id}/2/download/{signature}"
        location = f"{REPLICA_URL}{path}?redirected_by=replica-0"
        assert found.extra == {"replica": "replica-1", "location": location}

    def test_redirect_keeps_the_signature_of_the_client(
        self, replicas: Replicas, store: Store, clock: SettableClock, upload: UploadRecord
    ) -> None:
        self.check_in(store, clock)
        found = replicas.locate_elsewhere(upload, 2, redirected_by=None, signature=FAKE_SIGNATURE)
        assert urlsplit(str(found.extra["location"])).path.endswith(f"/2/download/{FAKE_SIGNATURE}")

    def test_replica_without_recent_check_ins_is_unavailable_until_the_next(
        self, replicas: Replicas, store: Store, clock: SettableClock, upload: UploadRecord
    ) -> None:
        self.check_in(store, clock)
        clock.advance(seconds=UNAVAILABLE_AFTER.total_seconds() + 1)
        found = replicas.locate_elsewhere(upload, 2, redirected_by=None)
        assert type(found) is ReplicaUnavailableError
        assert "2026-01-31T12:00:00+00:00" in found.detail
        assert found.extra["replica"] == "replica-1"
        self.check_in(store, clock)
        assert type(replicas.locate_elsewhere(upload, 2, redirected_by=None)) is ChunkRedirectedError

    def test_replica_without_an_address_is_named(self, replicas: Replicas, store: Store, upload: UploadRecord) -> None:
        for _ in range(2):
            found = replicas.locate_elsewhere(upload, 2, redirected_by=None)
            assert type(found) is ChunkOnOtherReplicaError
            assert found.extra == {"replica": "replica-1"}
            assert "the chunk's message" in found.detail
            store.replicas.assign_disk("replica-1", "1" * 32)  # registered, but not checked in yet

    def test_client_is_not_redirected_to_the_address_it_asked(
        self, replicas: Replicas, store: Store, clock: SettableClock, upload: UploadRecord
    ) -> None:
        self.check_in(store, clock, base_url="http://uploader:8000")
        found = replicas.locate_elsewhere(upload, 2, redirected_by=None)
        assert type(found) is ChunkOnOtherReplicaError
        assert "API_BASE_URL of replica-1" in found.detail

    def test_replica_is_unavailable_after_the_clock_was_set_back_until_its_next_check_in(
        self, replicas: Replicas, store: Store, clock: SettableClock, upload: UploadRecord
    ) -> None:
        self.check_in(store, clock)
        clock.advance(hours=-2)
        assert type(replicas.locate_elsewhere(upload, 2, redirected_by=None)) is ReplicaUnavailableError
        self.check_in(store, clock)
        assert type(replicas.locate_elsewhere(upload, 2, redirected_by=None)) is ChunkRedirectedError

    def test_client_is_not_redirected_twice(
        self, replicas: Replicas, store: Store, clock: SettableClock, upload: UploadRecord
    ) -> None:
        self.check_in(store, clock)
        found = replicas.locate_elsewhere(upload, 2, redirected_by="replica-2")
        assert type(found) is ChunkOnOtherReplicaError
        assert "replica-2" in found.detail


def start(stack: ExitStack, root: Path, number: int, **given: Any) -> RunningUploader:
    """Run one of several uploaders on one SQLite file, with a disk of its own."""
    name = f"replica-{number}"
    database_url = f"sqlite:///{root / 'shared.sqlite3'}"
    return stack.enter_context(running_uploader(root / name, replica_name=name, database_url=database_url, **given))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RunningUploader]]:
    root = tmp_path_factory.mktemp("pair")
    with ExitStack() as stack:
        yield [start(stack, root, number) for number in (0, 1)]


def upload_one_chunk(replica: RunningUploader) -> str:
    answer = httpx.post(
        f"{replica.base_url}/upload/csv?dataset_name=people&chunk_type=rows&chunk_size=1",
        files={"file": ("people.csv", chunk_bytes(1))},
        trust_env=False,
    )
    assert answer.status_code == 202, answer.text
    return f"/chunks/{answer.json()['upload_id']}/1/download"


def ask(method: str, url: str, *, follow: bool = True, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.request(method, url, headers=headers, follow_redirects=follow, trust_env=False)


def test_download_from_another_replica_is_redirected(pair: list[RunningUploader]) -> None:
    replica, other = pair
    path = upload_one_chunk(replica)
    answer = ask("GET", other.base_url + path, follow=False)
    assert answer.status_code == 307
    location, _, query = answer.headers["location"].partition("?")
    assert (split_signed(location), query) == ((replica.base_url + path, ANY), "redirected_by=replica-1")
    assert (answer.json()["code"], answer.json()["replica"]) == ("chunk_redirected", "replica-0")
    followed = ask("GET", other.base_url + path)
    assert (followed.status_code, followed.content) == (200, chunk_bytes(1))
    assert followed.headers["etag"] == f'"{hashlib.sha256(chunk_bytes(1)).hexdigest()}"'


def test_head_range_and_etag_work_across_the_redirect(pair: list[RunningUploader]) -> None:
    replica, other = pair
    url = other.base_url + upload_one_chunk(replica)
    head = ask("HEAD", url)
    assert [each.status_code for each in (*head.history, head)] == [307, 200]
    assert (head.content, head.headers["content-length"]) == (b"", str(len(chunk_bytes(1))))
    part = ask("GET", url, headers={"Range": "bytes=3-6"})
    assert (part.status_code, part.content) == (206, chunk_bytes(1)[3:7])
    same = ask("GET", url, headers={"If-None-Match": head.headers["etag"]})
    assert (same.status_code, len(same.history)) == (304, 1)


def test_deleted_upload_of_another_replica_is_gone(pair: list[RunningUploader]) -> None:
    replica, other = pair
    path = upload_one_chunk(replica)
    upload_id = path.split("/")[2]
    assert httpx.delete(f"{other.base_url}/uploads/{upload_id}?force=true", trust_env=False).status_code == 200
    for replica in pair:
        assert ask("GET", replica.base_url + path).status_code == 410


def test_mixed_up_addresses_end_in_an_error_instead_of_a_loop(tmp_path: Path) -> None:
    with ExitStack() as stack:
        other = start(stack, tmp_path, 0)
        replica = start(stack, tmp_path, 1, api_base_url=f"http://localhost:{other.port}")
        answer = ask("GET", other.base_url + upload_one_chunk(replica))
    assert [each.status_code for each in (*answer.history, answer)] == [307, 421]
    assert answer.json()["code"] == "chunk_on_other_replica"
    assert "API_BASE_URL of replica-1" in answer.json()["detail"]
