"""What a starting uploader does about the way it ended: leftovers go, and what cannot be served is said."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial

from contracts.errors import SettingsError
from contracts.states import ChunkState
from uploader.disk.ballast_file import BallastFile
from uploader.disk.chunk_files import DISK_ID_FILE, ChunkFiles
from uploader.domain.records import ChunkRecord
from uploader.domain.transitions import SAFE_IN_BUCKET, found_cleaned, lost
from uploader.errors import DatabaseFullError, ManifestLostError, UploadGoneError
from uploader.runtime.clock import Clock
from uploader.runtime.logging import UploadLog
from uploader.store.store import Store
from uploader.uploads.cleaner import Cleaner

_log = logging.getLogger(__name__)


def make_room(*, files: ChunkFiles, ballast: BallastFile) -> None:
    """Let the database be opened on a disk that is full: what was half received goes, and else the ballast."""
    if files.is_full():
        files.remove_abandoned()
    if files.is_full():
        ballast.remove()


def recover(*, store: Store, files: ChunkFiles, cleaner: Cleaner, replica: str, clock: Clock) -> None:
    """Bring disk and manifests together. Several workers may do this at once; the outbox does the announcing.

    Raises:
        ManifestUnavailableError: the database does not answer.
        SettingsError: the disk is not that of this replica.
    """
    check_disk(store=store, files=files, replica=replica)
    cleaner.sweep()
    try:
        _adopt_and_look(store=store, files=files, replica=replica, clock=clock)
    except (DatabaseFullError, ManifestLostError) as error:  # /ready says so, and uploads are refused
        _log.warning("The start goes on without a look at all files: %s", error.detail)


def _adopt_and_look(*, store: Store, files: ChunkFiles, replica: str, clock: Clock) -> None:
    for upload_id in store.replicas.adopt(files.upload_ids(), replica=replica):
        # The files lie on this disk, so this replica serves them, whatever its name was.
        UploadLog(_log, upload_id).warning("Taken over by replica %s, on whose disk its files lie", replica)
    for upload in store.backlog.unlanded(replica=replica):
        _fail_lost_chunks(upload.upload_id, store=store, files=files, clock=clock)


def check_disk(*, store: Store, files: ChunkFiles, replica: str) -> None:
    """Check that the disk is the one that ``replica`` had before: on any other its chunks would seem lost.

    Raises:
        SettingsError: it is another one: a name that two replicas have, or a volume that is not mounted.
    """
    # In this order: where the row is there, the file was there before it, whatever other workers do.
    expected = store.replicas.find_disk(replica)
    found = files.disk_id()
    if expected is None:
        found = found or files.assign_disk_id()
        expected = store.replicas.assign_disk(replica, found)
    if found != expected:
        raise SettingsError(
            f"TEMP_DIR: {files.root} is not replica {replica}'s: its {DISK_ID_FILE} says {found or 'nothing'}. "
            "Is the volume mounted? Has each replica a REPLICA_NAME of its own? Where the disk was really replaced, "
            f"write {expected} into {files.root / DISK_ID_FILE}: chunks that had not landed then count as failed"
        )


def _fail_lost_chunks(upload_id: str, *, store: Store, files: ChunkFiles, clock: Clock) -> None:
    done = SAFE_IN_BUCKET | {ChunkState.FAILED}
    upload, chunks = store.chunks.read(upload_id)
    faults = {
        chunk.chunk_id: fault for chunk in chunks if chunk.state not in done and (fault := files.find_fault(chunk))
    }
    if not faults:
        return
    try:
        _, after = store.chunks.edit(upload_id, list(faults), partial(_lose, files=files, at=clock()), at=clock())
    except UploadGoneError:
        return  # deleted meanwhile: nobody misses the files
    for chunk in after:
        if chunk.state is ChunkState.FAILED:
            place = (chunk.chunk_id, upload.total_chunks, chunk.filename)
            UploadLog(_log, upload_id).error("Chunk %d/%d: %s failed: %s", *place, chunk.error)


def _lose(chunk: ChunkRecord, *, files: ChunkFiles, at: datetime) -> ChunkRecord:
    fault = files.find_fault(chunk)
    if fault is None or chunk.state in SAFE_IN_BUCKET:
        return chunk
    return found_cleaned(chunk, at=at) if files.was_cleaned(chunk) else lost(chunk, reason=fault)
