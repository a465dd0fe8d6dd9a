"""The service on a real SQLite file and a real disk, with a fake Kafka and a clock that stands still."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.signatures import signer
from tests.support.uploader.fake_publisher import FakePublisher
from tests.support.uploader.uploads import REPLICA, SettableClock, cut_result, upload_records, write_chunks
from uploader.disk.chunk_files import ChunkFiles
from uploader.domain.records import UploadRecord
from uploader.store.claims import Claim
from uploader.store.store import Store, open_store
from uploader.uploads.outbox import CLAIM_FOR, Outbox
from uploader.uploads.replicas import Replicas


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("database") / "manifest.sqlite3"
    open_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def temp_dir(tmp_path: Path) -> Path:
    path = tmp_path / "chunks"
    path.mkdir()
    return path


@pytest.fixture
def store(temp_dir: Path, empty_database: Path) -> Iterator[Store]:
    shutil.copy(empty_database, temp_dir / "manifest.sqlite3")
    opened = open_store(f"sqlite:///{temp_dir / 'manifest.sqlite3'}")
    yield opened
    opened.close()


@pytest.fixture
def files(temp_dir: Path) -> ChunkFiles:
    return ChunkFiles(temp_dir)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def kafka() -> FakePublisher:
    return FakePublisher()


@pytest.fixture
def outbox(store: Store, kafka: FakePublisher, clock: SettableClock) -> Outbox:
    def pause(seconds: float) -> None:
        clock.advance(seconds=seconds)

    return Outbox(
        store=store, publisher=kafka, replica=REPLICA, sign=signer(clock=clock).sign, clock=clock, pause=pause
    )


@pytest.fixture
def replicas(store: Store, clock: SettableClock) -> Replicas:
    return Replicas(store=store, replica=REPLICA, signer=signer(clock=clock), clock=clock)


@pytest.fixture
def create(store: Store, clock: SettableClock, temp_dir: Path) -> Callable[..., UploadRecord]:
    """Give a function that makes an upload as if its request had died before announcing: files, manifest, no claim."""

    def create(*, chunks: int = 3, with_files: bool = True, **given: Any) -> UploadRecord:
        upload, records = upload_records(at=clock.now, chunks=chunks, upload_id=uuid.uuid4().hex, **given)
        if with_files:
            write_chunks(temp_dir / upload.upload_id, cut_result(chunks=chunks))
        claim = Claim.new(upload.upload_id)
        store.uploads.create(upload, records, claim=claim, claim_for=CLAIM_FOR)
        store.claims.release(claim, until=clock.now)
        return upload

    return create
