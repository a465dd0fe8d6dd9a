"""The store on both databases: the same tests, the same answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.support.uploader.postgres import PostgresServer
from tests.support.uploader.stored_uploads import CLAIM_FOR
from tests.support.uploader.uploads import SettableClock, upload_records
from uploader.domain.records import UploadRecord
from uploader.store.claims import Claim
from uploader.store.engine import open_engine, writing
from uploader.store.store import Store, open_store


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'manifest.sqlite3'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture
def execute(url: str) -> Callable[[str], None]:
    """Give a function that executes a statement as an operator would."""

    def execute(statement: str) -> None:
        engine = open_engine(url)
        with writing(engine) as connection:
            connection.execute(text(statement))
        engine.dispose()

    return execute


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def create(store: Store, clock: SettableClock) -> Callable[..., UploadRecord]:
    def create(**given: Any) -> UploadRecord:
        upload, chunks = upload_records(at=clock.now, **given)
        assert store.uploads.create(upload, chunks, claim=Claim.new(upload.upload_id), claim_for=CLAIM_FOR) is None
        return upload

    return create
