"""Cleaning: removal of the files of landed chunks after a delay, or earlier if the disk is low, and of leftovers.

A chunk that has not landed is never removed, nor one whose object is not in the bucket as it was announced: it fails,
and is announced again. A file is removed first, durably, and its chunk marked afterwards: a crash between the two
leaves a landed chunk without a file, which the next pass marks.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from contracts.states import UploadState
from uploader.bucket.object_checker import NoObjectChecker, ObjectChecker
from uploader.disk.ballast_file import BallastFile
from uploader.disk.chunk_files import ChunkFiles
from uploader.domain.chunk_object import ChunkObject
from uploader.domain.records import ChunkRecord, UploadOverview
from uploader.domain.replica_identity import ReplicaIdentity
from uploader.domain.transitions import WHAT_TO_DO, cleaned, missing_in_bucket
from uploader.errors import BucketUnavailableError, DatabaseFullError, ManifestUnavailableError, UploadGoneError
from uploader.runtime.clock import Clock
from uploader.runtime.logging import UploadLog
from uploader.store.store import Store

LEASE_FOR = timedelta(seconds=60)
_CHUNKS_AT_ONCE = 100
_CHUNKS_AT_ONCE_LOW = 10
"""Few, because free space is measured between two batches."""
_COMMIT_MAY_TAKE_S = 60.0
"""How long the database may take to commit for a process or a connection that is gone."""
_log = logging.getLogger(__name__)


class Cleaner:
    """Removes files of one replica. Calls block."""

    def __init__(
        self,
        *,
        store: Store,
        files: ChunkFiles,
        replica: ReplicaIdentity,
        after: timedelta,
        low_disk_bytes: int,
        clock: Clock,
        objects: ObjectChecker | None = None,
        ballast: BallastFile | None = None,
    ) -> None:
        self._store = store
        self._files = files
        self._replica = replica
        self._lease = f"clean/{replica.name}"
        self._after = after
        self._low_disk_bytes = low_disk_bytes
        self._clock = clock
        self._objects = objects or NoObjectChecker()
        self._ballast = ballast or BallastFile()
        self._reported: set[str] = set()
        """Unknown directories that were logged; each is logged once."""
        self._found: set[str] = set()
        """Directories that are known to be in the database."""

    def run_pass(self) -> bool:
        """Remove what may be removed, unless another worker has the lease."""
        try:
            self._run()
        except BucketUnavailableError as error:
            _log.warning("Landed chunks are kept until the bucket can be checked", extra={"error": error.detail})
        return True

    def _run(self) -> None:
        try:
            if self._take_lease():
                self._clean_all()
            else:
                self._check_new_directories()
        except ManifestUnavailableError as error:
            if self._files.is_full():
                self._clean_full_disk()
            elif not (isinstance(error, DatabaseFullError) and self._ballast.remove()):
                raise  # without the ballast the next pass may succeed

    def _take_lease(self) -> bool:
        return self._store.leases.take(self._lease, owner=self._replica.worker, lease_for=LEASE_FOR, now=self._clock())

    def _clean_all(self) -> None:
        self.sweep()
        self._clean_old()
        self._clean_for_space()
        self._ballast.create()

    def _clean_full_disk(self) -> None:
        """Free space if not even the lease can be written: remove the ballast, or else landed files without a lease.

        Several workers may do this at the same time. Files are removed before their chunks are marked, as always.
        """
        self._files.remove_abandoned()
        if not self._ballast.remove():
            chunks = self._store.backlog.landed(replica=self._replica.name, before=None, limit=_CHUNKS_AT_ONCE)
            _log.warning("Disk is full; removing files of landed chunks", extra={"chunks": len(chunks)})
            safe = [chunk for chunk, fault in self._look(chunks) if fault is None]
            for upload_id, group in _by_upload(safe):
                self._files.remove_chunks(upload_id, group)
            self._clean(chunks)
        if self._take_lease():
            self._clean_all()

    def stop(self) -> None:
        """Release the lease, so that another worker can take over immediately."""
        self._store.leases.release(self._lease, owner=self._replica.worker)

    def sweep(self) -> None:
        """Remove leftovers of crashes: half-received files, directories without a manifest or of deleted uploads."""
        for upload_id in self._files.remove_abandoned():
            UploadLog(_log, upload_id).info("Half-received upload removed; its process has ended")
        # In this order: an abandoned directory has a committed manifest, or will have soon, or never will.
        abandoned = [upload_id for upload_id in self._files.upload_ids() if self._files.is_abandoned(upload_id)]
        known = self._store.uploads.find_many(abandoned)
        for upload_id in abandoned:
            upload = known.get(upload_id)
            if upload is None:
                self._sweep_unknown(upload_id)
            elif upload.state is UploadState.ABORTED:
                self._files.remove_upload(upload_id)
                UploadLog(_log, upload_id).info("Files of a deleted upload removed")
            else:
                self._files.remove_lock(upload_id)
        self._check_new_directories()

    def _check_new_directories(self) -> None:
        """Detect a replaced database, also in a worker without the lease. Checks new directories only."""
        present = set(self._files.upload_ids())
        self._found &= present
        unlocked = [each for each in present - self._found if self._files.lock_age_s(each) is None]
        known = self._store.uploads.find_many(unlocked)
        self._found |= known.keys()
        for upload_id in unlocked:
            if upload_id not in known:
                self._sweep_unknown(upload_id)

    def _sweep_unknown(self, upload_id: str) -> None:
        age_s = self._files.lock_age_s(upload_id)
        if age_s is None:
            # It was committed to another database, or another worker has just removed it.
            if upload_id not in self._reported and upload_id in self._files.upload_ids():
                self._reported.add(upload_id)
                self._report_unknown(upload_id)
        elif age_s > _COMMIT_MAY_TAKE_S:
            self._files.remove_upload(upload_id)
            UploadLog(_log, upload_id).info("Files without a manifest removed; the process ended before the commit")

    def _report_unknown(self, upload_id: str) -> None:
        if self._files.has_manifest(upload_id):
            self._store.declare_lost(
                f"upload {upload_id} is in TEMP_DIR but not in the database of manifests, which is another one or an "
                "older copy (check DATABASE_URL)"
            )
            UploadLog(_log, upload_id).error(
                "Accepted upload is not in the database: DATABASE_URL leads to another database or to an older copy. "
                "Uploads are refused until the right one is back or `csvpipe recover` has run"
            )
        else:
            UploadLog(_log, upload_id).error(
                "Directory in TEMP_DIR has no manifest and is not in the database (DATABASE_URL), so it cannot "
                "be recovered: move it away",
                extra={"path": str(self._files.root / upload_id)},
            )

    def _clean_old(self) -> None:
        now = self._clock()
        self._store.backlog.reset_future_timestamps(replica=self._replica.name, now=now)
        before = now - self._after
        while chunks := self._store.backlog.landed(replica=self._replica.name, before=before, limit=_CHUNKS_AT_ONCE):
            self._clean(chunks)

    def _clean_for_space(self) -> None:
        while (free := self._files.free_bytes()) < self._low_disk_bytes:
            chunks = self._store.backlog.landed(replica=self._replica.name, before=None, limit=_CHUNKS_AT_ONCE_LOW)
            if not chunks:
                _log.warning("Disk is low, and no landed chunk is left to remove", extra={"free_bytes": free})
                return
            self._clean(chunks)

    def _clean(self, chunks: list[ChunkRecord]) -> None:
        at = self._clock()
        looked = self._look(chunks)
        for chunk, fault in looked:
            if fault is not None:
                self._fail(chunk, fault, at)
        for upload_id, group in _by_upload([chunk for chunk, fault in looked if fault is None]):
            self._clean_upload(upload_id, group, at)

    def _look(self, chunks: list[ChunkRecord]) -> list[tuple[ChunkRecord, str | None]]:
        """Return each chunk with the fault of its object, or None. A chunk whose file is already gone has none."""
        uploads = self._store.uploads.find_many({chunk.upload_id for chunk in chunks})
        return [(chunk, self._find_fault(uploads[chunk.upload_id], chunk)) for chunk in chunks]

    def _find_fault(self, upload: UploadOverview, chunk: ChunkRecord) -> str | None:
        if not self._files.path(chunk).exists():
            return None
        return self._objects.find_fault(ChunkObject.of(upload, chunk))

    def _fail(self, chunk: ChunkRecord, fault: str, at: datetime) -> None:
        reason = f"reported as landed, but {fault}; its file is kept. {WHAT_TO_DO}"
        try:
            edit = partial(missing_in_bucket, reason=reason)
            _, [after] = self._store.chunks.edit(chunk.upload_id, [chunk.chunk_id], edit, at=at)
        except UploadGoneError:
            return
        UploadLog(_log, chunk.upload_id).chunk(logging.ERROR, "Landed chunk is not in the bucket", after, error=fault)

    def _clean_upload(self, upload_id: str, chunks: list[ChunkRecord], at: datetime) -> None:
        self._files.remove_chunks(upload_id, chunks)
        try:
            ids = [chunk.chunk_id for chunk in chunks]
            self._store.chunks.edit(upload_id, ids, partial(cleaned, at=at), at=at)
        except UploadGoneError:
            return  # deleted meanwhile: its whole directory is removed
        log = UploadLog(_log, upload_id)
        for chunk in chunks:
            log.chunk(logging.INFO, "Chunk file removed", chunk)


def _by_upload(chunks: list[ChunkRecord]) -> Iterator[tuple[str, list[ChunkRecord]]]:
    in_order = sorted(chunks, key=lambda chunk: (chunk.upload_id, chunk.chunk_id))
    for upload_id, group in itertools.groupby(in_order, key=lambda chunk: chunk.upload_id):
        yield upload_id, list(group)
