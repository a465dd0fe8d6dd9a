"""What a starting uploader does about the way it ended: leftovers go, and what cannot be served is said."""

from __future__ import annotations

import logging
from functools import partial

from contracts.states import ChunkState
from uploader.cleaner import Cleaner
from uploader.clock import Clock
from uploader.files import ChunkFiles
from uploader.logging import UploadLog
from uploader.store.protocol import Store
from uploader.store.records import ChunkRecord
from uploader.transitions import SAFE_IN_BUCKET, failed

_log = logging.getLogger(__name__)


def recover(*, store: Store, files: ChunkFiles, cleaner: Cleaner, holder: str, clock: Clock) -> None:
    """Bring disk and manifests together. Several workers may do this at once; the outbox does the announcing.

    Raises:
        ManifestUnavailableError: the database does not answer.
    """
    cleaner.sweep()
    for upload_id in store.adopt(files.upload_ids(), holder=holder):
        # The files lie on this disk, so this replica serves them, whatever its name was.
        UploadLog(_log, upload_id).warning("Taken over by replica %s, on whose disk its files lie", holder)
    for upload in store.unlanded(holder=holder):
        _fail_lost_chunks(upload.upload_id, store=store, files=files, clock=clock)


def _fail_lost_chunks(upload_id: str, *, store: Store, files: ChunkFiles, clock: Clock) -> None:
    done = SAFE_IN_BUCKET | {ChunkState.FAILED}
    upload, chunks = store.read(upload_id)
    lost = {chunk.chunk_id: fault for chunk in chunks if chunk.state not in done and (fault := files.fault(chunk))}
    if not lost:
        return
    _, after = store.edit_chunks(upload_id, list(lost), partial(_lose, files=files), at=clock())
    for chunk in after:
        if chunk.state is ChunkState.FAILED:
            place = (chunk.chunk_id, upload.total_chunks, chunk.filename)
            UploadLog(_log, upload_id).error("Chunk %d/%d: %s failed: %s", *place, chunk.error)


def _lose(chunk: ChunkRecord, *, files: ChunkFiles) -> ChunkRecord:
    fault = files.fault(chunk)
    return chunk if fault is None or chunk.state in SAFE_IN_BUCKET else failed(chunk, reason=fault)
