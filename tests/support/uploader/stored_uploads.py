"""Uploads in a store: announce and land their chunks."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from tests.support.uploader.uploads import SettableClock
from uploader.domain.records import ChunkRecord, UploadOverview, UploadRecord
from uploader.domain.transitions import announced, landed
from uploader.store.store import Store

CLAIM_FOR = timedelta(seconds=20)


def evidence(chunk: ChunkRecord) -> dict[str, object]:
    return {"size_bytes": chunk.size_bytes, "sha256": chunk.sha256}


def land(store: Store, upload: UploadRecord, *chunk_ids: int, clock: SettableClock) -> UploadOverview:
    def edit(chunk: ChunkRecord) -> ChunkRecord:
        return landed(chunk, evidence=evidence(chunk), at=clock.now)

    return store.chunks.edit(upload.upload_id, chunk_ids or None, edit, at=clock.now)[0]


def announce(store: Store, upload: UploadRecord, *chunk_ids: int, clock: SettableClock) -> UploadOverview:
    edit = partial(announced, at=clock.now)
    return store.chunks.edit(upload.upload_id, chunk_ids or None, edit, at=clock.now)[0]
