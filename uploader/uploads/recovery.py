"""Startup recovery after an unclean shutdown: remove leftovers, and fail chunks whose files are lost."""

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


def free_disk_space(*, files: ChunkFiles, ballast: BallastFile) -> None:
    """Free space on a full disk so that the database can be opened: half-received uploads first, then the ballast."""
    if files.is_full():
        files.remove_abandoned()
    if files.is_full():
        ballast.remove()


def recover(*, store: Store, files: ChunkFiles, cleaner: Cleaner, replica: str, clock: Clock) -> None:
    """Reconcile the disk with the manifests. Several workers may do this at the same time; the outbox announces later.

    Raises:
        ManifestUnavailableError: the database does not answer.
        SettingsError: the disk belongs to another replica.
    """
    check_disk(store=store, files=files, replica=replica)
    cleaner.sweep()
    try:
        _adopt_and_check(store=store, files=files, replica=replica, clock=clock)
    except (DatabaseFullError, ManifestLostError) as error:  # /ready reports it, and uploads are refused
        _log.warning("Starting without a check of all files", extra={"error": error.detail})


def _adopt_and_check(*, store: Store, files: ChunkFiles, replica: str, clock: Clock) -> None:
    for upload_id in store.replicas.adopt(files.upload_ids(), replica=replica):
        # The files are on this disk, so this replica serves them, whatever its name was.
        UploadLog(_log, upload_id).warning(
            "Upload adopted by the replica that has its files", extra={"replica": replica}
        )
    for upload in store.backlog.unlanded(replica=replica):
        _fail_lost_chunks(upload.upload_id, store=store, files=files, clock=clock)


def check_disk(*, store: Store, files: ChunkFiles, replica: str) -> None:
    """Check that the disk is the one that ``replica`` had before: on another one its chunks would seem lost.

    Raises:
        SettingsError: it is another disk: two replicas have the same name, or a volume is not mounted.
    """
    # In this order: if the row exists, the file existed before it, whatever other workers do.
    expected = store.replicas.find_disk(replica)
    found = files.disk_id()
    if expected is None:
        found = found or files.assign_disk_id()
        expected = store.replicas.assign_disk(replica, found)
    if found != expected:
        raise SettingsError(
            f"TEMP_DIR: {files.root} does not belong to replica {replica}: its {DISK_ID_FILE} has {found or 'no id'}, "
            f"not {expected}. Check that the volume is mounted and that each replica has its own REPLICA_NAME. If the "
            f"disk was replaced, write {expected} into {files.root / DISK_ID_FILE}: chunks that had not landed then "
            "count as failed"
        )


def _fail_lost_chunks(upload_id: str, *, store: Store, files: ChunkFiles, clock: Clock) -> None:
    done = SAFE_IN_BUCKET | {ChunkState.FAILED}
    _, chunks = store.chunks.read(upload_id)
    faults = {
        chunk.chunk_id: fault for chunk in chunks if chunk.state not in done and (fault := files.find_fault(chunk))
    }
    if not faults:
        return
    try:
        _, after = store.chunks.edit(upload_id, list(faults), partial(_check_file, files=files, at=clock()), at=clock())
    except UploadGoneError:
        return  # deleted meanwhile: its files are not needed
    for chunk in after:
        if chunk.state is ChunkState.FAILED:
            UploadLog(_log, upload_id).chunk(logging.ERROR, "Chunk failed", chunk, error=chunk.error)


def _check_file(chunk: ChunkRecord, *, files: ChunkFiles, at: datetime) -> ChunkRecord:
    fault = files.find_fault(chunk)
    if fault is None or chunk.state in SAFE_IN_BUCKET:
        return chunk
    return found_cleaned(chunk, at=at) if files.was_cleaned(chunk) else lost(chunk, reason=fault)
