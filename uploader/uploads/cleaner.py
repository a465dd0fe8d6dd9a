"""Cleaning: files of landed chunks go after a time, or sooner when the disk runs low; leftovers of crashes go always.

A chunk that has not landed is never removed. A file is removed first, durably, and then marked: a crash between the
two leaves a landed chunk without a file, which the next pass marks.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from contracts.names import BYTES_PER_MB
from contracts.states import UploadState
from uploader.disk.ballast_file import BallastFile
from uploader.disk.chunk_files import ChunkFiles
from uploader.domain.records import ChunkRecord
from uploader.domain.replica_identity import ReplicaIdentity
from uploader.domain.transitions import cleaned
from uploader.errors import DatabaseFullError, ManifestUnavailableError, UploadGoneError
from uploader.runtime.clock import Clock
from uploader.runtime.logging import UploadLog
from uploader.store.store import Store

LEASE_FOR = timedelta(seconds=60)
_CHUNKS_AT_ONCE = 100
_CHUNKS_AT_ONCE_LOW = 10
"""Few, as the disk is looked at between two batches."""
_COMMIT_MAY_TAKE_S = 60.0
"""How long the database may still be committing for a process or a connection that is gone."""
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
        ballast: BallastFile | None = None,
    ) -> None:
        self._store = store
        self._files = files
        self._replica = replica
        self._lease = f"clean/{replica.name}"
        self._after = after
        self._low_disk_bytes = low_disk_bytes
        self._clock = clock
        self._ballast = ballast or BallastFile()
        self._strangers: set[str] = set()
        """Directories that were complained about: once is enough."""
        self._known: set[str] = set()
        """Directories that the database was asked about, and knew."""

    def run_pass(self) -> bool:
        """Remove what may go, unless another worker does."""
        try:
            if self._take_lease():
                self._clean_all()
            else:
                self._look_for_strangers()
        except ManifestUnavailableError as error:
            if self._files.is_full():
                self._clean_full_disk()
            elif not (isinstance(error, DatabaseFullError) and self._ballast.remove()):
                raise  # with the ballast gone the next pass may do it
        return True

    def _take_lease(self) -> bool:
        return self._store.leases.take(self._lease, owner=self._replica.worker, lease_for=LEASE_FOR, now=self._clock())

    def _clean_all(self) -> None:
        self.sweep()
        self._clean_old()
        self._clean_for_room()
        self._ballast.create()

    def _clean_full_disk(self) -> None:
        """Make room where not even the lease can be written: with the ballast, and else without a lease.

        Several workers may be at this at once. Files go before they are marked, as always.
        """
        self._files.remove_abandoned()
        if not self._ballast.remove():
            chunks = self._store.backlog.landed(replica=self._replica.name, before=None, limit=_CHUNKS_AT_ONCE)
            _log.warning("The disk is full to the last byte: the files of %d landed chunks go", len(chunks))
            for upload_id, group in _by_upload(chunks):
                self._files.remove_chunks(upload_id, group)
            self._clean(chunks)
        if self._take_lease():
            self._clean_all()

    def stop(self) -> None:
        """Leave the work to others at once."""
        self._store.leases.release(self._lease, owner=self._replica.worker)

    def sweep(self) -> None:
        """Remove what crashes left: half-received files, directories without a manifest or of deleted uploads."""
        for upload_id in self._files.remove_abandoned():
            UploadLog(_log, upload_id).info("Removed what had been received of it when its process ended")
        # In this order: a directory given up by its process has its manifest committed, or soon, or never will.
        abandoned = [upload_id for upload_id in self._files.upload_ids() if self._files.is_abandoned(upload_id)]
        known = self._store.uploads.find_many(abandoned)
        for upload_id in abandoned:
            upload = known.get(upload_id)
            if upload is None:
                self._sweep_unknown(upload_id)
            elif upload.state is UploadState.ABORTED:
                self._files.remove_upload(upload_id)
                UploadLog(_log, upload_id).info("Removed the files of a deleted upload")
            else:
                self._files.remove_lock(upload_id)
        self._look_for_strangers()

    def _look_for_strangers(self) -> None:
        """Notice a database that was exchanged, also in a worker that does not clean. Looks at new directories only."""
        present = set(self._files.upload_ids())
        self._known &= present
        unlocked = [each for each in present - self._known if self._files.lock_age_s(each) is None]
        known = self._store.uploads.find_many(unlocked)
        self._known |= known.keys()
        for upload_id in unlocked:
            if upload_id not in known:
                self._sweep_unknown(upload_id)

    def _sweep_unknown(self, upload_id: str) -> None:
        age_s = self._files.lock_age_s(upload_id)
        if age_s is None:
            # It was committed, to a database that is not this one (or another worker has just removed it).
            if upload_id not in self._strangers and upload_id in self._files.upload_ids():
                self._strangers.add(upload_id)
                self._report_stranger(upload_id)
        elif age_s > _COMMIT_MAY_TAKE_S:
            self._files.remove_upload(upload_id)
            UploadLog(_log, upload_id).info("Removed files without a manifest: its process ended before the commit")

    def _report_stranger(self, upload_id: str) -> None:
        if self._files.has_manifest(upload_id):
            self._store.declare_lost(
                f"upload {upload_id}, which lies in TEMP_DIR, is not in the database of manifests: it is another "
                "database than before, or an older copy (look at DATABASE_URL)"
            )
            UploadLog(_log, upload_id).error(
                "It was accepted, and the database does not know it: DATABASE_URL leads to another database than "
                "before, or to an older copy. Nothing is accepted until the right one is back, or `csvpipe recover` "
                "has run"
            )
        else:
            UploadLog(_log, upload_id).error(
                "Its directory in TEMP_DIR has no manifest, and the database (DATABASE_URL) does not know it: nothing "
                "of it can be recovered. Move the directory away"
            )

    def _clean_old(self) -> None:
        now = self._clock()
        self._store.backlog.reset_future_timestamps(replica=self._replica.name, now=now)
        before = now - self._after
        while chunks := self._store.backlog.landed(replica=self._replica.name, before=before, limit=_CHUNKS_AT_ONCE):
            self._clean(chunks)

    def _clean_for_room(self) -> None:
        while (free := self._files.free_bytes()) < self._low_disk_bytes:
            chunks = self._store.backlog.landed(replica=self._replica.name, before=None, limit=_CHUNKS_AT_ONCE_LOW)
            if not chunks:
                _log.warning("The disk is low (%d MB free) and no landed chunk is left to remove", free // BYTES_PER_MB)
                return
            self._clean(chunks)

    def _clean(self, chunks: list[ChunkRecord]) -> None:
        at = self._clock()
        for upload_id, group in _by_upload(chunks):
            self._clean_upload(upload_id, group, at)

    def _clean_upload(self, upload_id: str, chunks: list[ChunkRecord], at: datetime) -> None:
        self._files.remove_chunks(upload_id, chunks)
        try:
            ids = [chunk.chunk_id for chunk in chunks]
            upload, _ = self._store.chunks.edit(upload_id, ids, partial(cleaned, at=at), at=at)
        except UploadGoneError:
            return  # deleted meanwhile: its directory goes as a whole
        log = UploadLog(_log, upload_id)
        for chunk in chunks:
            log.info("Chunk %d/%d: %s cleaned up", chunk.chunk_id, upload.total_chunks, chunk.filename)


def _by_upload(chunks: list[ChunkRecord]) -> Iterator[tuple[str, list[ChunkRecord]]]:
    in_order = sorted(chunks, key=lambda chunk: (chunk.upload_id, chunk.chunk_id))
    for upload_id, group in itertools.groupby(in_order, key=lambda chunk: chunk.upload_id):
        yield upload_id, list(group)
