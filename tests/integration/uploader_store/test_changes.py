"""What has changed since the last look, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import update

from contracts.api import Status
from contracts.states import ChunkState
from tests.support.uploader.uploads import ACTOR, SettableClock
from uploader.domain.records import ChunkRecord, UploadRecord
from uploader.store.engine import open_engine, writing
from uploader.store.store import Store
from uploader.store.tables import uploads
from uploader.uploads import change_reader
from uploader.uploads.change_reader import ChangeReader


@pytest.fixture(autouse=True)
def _long_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let looks overlap by so much that no test takes longer between two of its steps."""
    monkeypatch.setattr(change_reader, "_OVERLAP_US", 3_600_000_000)


def relay(chunk: ChunkRecord) -> ChunkRecord:
    return replace(chunk, state=ChunkState.RELAYED)


def found(reader: ChangeReader) -> dict[str, Status]:
    return {upload.upload_id: upload.status for upload in reader.look().uploads}


def test_each_change_is_found_once(store: Store, create: Callable[..., UploadRecord], clock: SettableClock) -> None:
    before = create(dataset_name="before").upload_id
    reader = ChangeReader(store.changes)
    assert found(reader) == {}
    clock.advance(seconds=1)
    upload_id = create().upload_id
    assert found(reader) == {upload_id: Status.AWAITING_KAFKA}
    assert found(reader) == {}
    for chunk_id in (1, 2):  # of three: the second one leaves the upload as it is
        store.chunks.edit(upload_id, [chunk_id], relay, at=clock.now)
        [changed] = reader.look().uploads
        assert changed.chunk_counts == {ChunkState.RELAYED: chunk_id, ChunkState.STORED: 3 - chunk_id}
    store.uploads.abort(before, force=True, at=clock.now, actor=ACTOR)
    assert found(reader) == {before: Status.ABORTED}
    assert found(reader) == {}


def test_change_that_is_committed_after_a_later_look_is_found(
    url: str, store: Store, create: Callable[..., UploadRecord]
) -> None:
    upload_id = create().upload_id
    reader = ChangeReader(store.changes)
    other = open_engine(url)
    with writing(other) as connection:
        connection.execute(update(uploads).where(uploads.c.upload_id == upload_id).values(error="late"))
        assert found(reader) == {}
    other.dispose()
    [changed] = reader.look().uploads
    assert changed.error == "late"


def test_claim_that_changes_nothing_visible_is_no_change(
    store: Store, create: Callable[..., UploadRecord], clock: SettableClock
) -> None:
    upload_id = create().upload_id
    reader = ChangeReader(store.changes)
    store.chunks.edit(upload_id, [1], lambda chunk: replace(chunk, attempts=chunk.attempts + 1), at=clock.now)
    assert found(reader) == {}
