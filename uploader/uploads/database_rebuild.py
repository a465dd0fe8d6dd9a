"""Rebuilding the database from the manifests next to the chunk files (``csvpipe recover``).

A chunk whose file exists counts as stored and is announced again. That is harmless, because its object is found in the
bucket. Every upload is one transaction, and known uploads are unchanged, so a rebuild can be interrupted and repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial

from contracts.states import ChunkState
from uploader.disk.chunk_files import ChunkFiles
from uploader.disk.manifest_file import ManifestFileError, StoredManifest, read_manifest
from uploader.domain.records import ChunkRecord, UploadRecord
from uploader.domain.transitions import SAFE_IN_BUCKET, found_cleaned, lost, summarised
from uploader.errors import UploadGoneError
from uploader.runtime.clock import Clock
from uploader.store.store import Store
from uploader.store.uploads import RestoreOutcome, TimestampCollisionError


class RebuildOutcome(StrEnum):
    """The result for one directory."""

    RESTORED = "restored"
    """Its upload is in the database again."""
    KNOWN = "known"
    """It was in the database already."""
    NO_MANIFEST = "no_manifest"
    """It has no manifest, so nothing is known about its files."""
    UNREADABLE = "unreadable"
    """Its manifest is damaged, or contradicts the database."""


BAD_OUTCOMES = frozenset({RebuildOutcome.NO_MANIFEST, RebuildOutcome.UNREADABLE})


@dataclass(frozen=True, kw_only=True)
class RebuildFinding:
    """One directory: its result, its chunks by state, and notes for the operator."""

    upload_id: str
    outcome: RebuildOutcome
    chunks: dict[ChunkState, int]
    notes: list[str]


class DatabaseRebuild:
    """Restores the uploads of one disk. Calls block."""

    def __init__(self, *, store: Store, files: ChunkFiles, replica: str, clock: Clock, dry_run: bool) -> None:
        self._store = store
        self._files = files
        self._replica = replica
        self._clock = clock
        self._dry_run = dry_run

    def upload_ids(self) -> list[str]:
        """Return the directories of uploads."""
        return self._files.upload_ids()

    def run(self) -> Iterator[RebuildFinding]:
        """Restore one upload after the other, and yield the result of each."""
        for upload_id in self.upload_ids():
            yield self._restore(upload_id)

    def _restore(self, upload_id: str) -> RebuildFinding:
        try:
            found = read_manifest(self._files.root / upload_id)
            if found is None:
                return self._find_without_manifest(upload_id)
            if upload_id in self._store.uploads.find_many([upload_id]):
                return self._repair(found)
            return self._store_again(found)
        except (ManifestFileError, TimestampCollisionError) as error:
            return RebuildFinding(upload_id=upload_id, outcome=RebuildOutcome.UNREADABLE, chunks={}, notes=[str(error)])

    def _find_without_manifest(self, upload_id: str) -> RebuildFinding:
        if upload_id in self._store.uploads.find_many([upload_id]):
            return RebuildFinding(upload_id=upload_id, outcome=RebuildOutcome.KNOWN, chunks={}, notes=[])
        note = "no manifest next to its files: move the directory away"
        return RebuildFinding(upload_id=upload_id, outcome=RebuildOutcome.NO_MANIFEST, chunks={}, notes=[note])

    def _store_again(self, found: StoredManifest) -> RebuildFinding:
        at = self._clock()
        chunks = [self._check_file(chunk, at=at) for chunk in found.chunks]
        counts = _counted(chunks)
        upload = replace(_summarised(found.upload, chunks, counts, at=at), replica=self._replica)
        notes = [f"chunk {chunk.chunk_id}: {chunk.error}" for chunk in chunks if chunk.error is not None]
        if not self._dry_run:
            restored = self._store.uploads.restore(upload, chunks)
            if restored is RestoreOutcome.KNOWN:
                return RebuildFinding(upload_id=upload.upload_id, outcome=RebuildOutcome.KNOWN, chunks=counts, notes=[])
            if restored is RestoreOutcome.WITHOUT_KEY:
                notes.append("its Idempotency-Key belongs to another upload now")
            # It is still locked if its process died around the commit; now it has a manifest.
            self._files.remove_lock(upload.upload_id)
        return RebuildFinding(upload_id=upload.upload_id, outcome=RebuildOutcome.RESTORED, chunks=counts, notes=notes)

    def _check_file(self, chunk: ChunkRecord, *, at: datetime) -> ChunkRecord:
        if self._files.was_cleaned(chunk):
            return found_cleaned(chunk, at=at)
        fault = self._files.find_fault(chunk)
        return chunk if fault is None else lost(chunk, reason=fault)

    def _repair(self, found: StoredManifest) -> RebuildFinding:
        """Mark chunks as cleaned in an older copy of the database: they have landed since."""
        upload_id = found.upload.upload_id
        gone = [chunk.chunk_id for chunk in found.chunks if self._files.was_cleaned(chunk)]
        _, chunks = self._store.chunks.read(upload_id)
        unaware = [each.chunk_id for each in chunks if each.chunk_id in gone and each.state not in SAFE_IN_BUCKET]
        if unaware and not self._dry_run:
            at = self._clock()
            try:
                _, chunks = self._store.chunks.edit(upload_id, unaware, partial(found_cleaned, at=at), at=at)
            except UploadGoneError:
                unaware = []
        notes = [f"chunk {chunk_id}: had landed and was cleaned" for chunk_id in unaware]
        return RebuildFinding(upload_id=upload_id, outcome=RebuildOutcome.KNOWN, chunks=_counted(chunks), notes=notes)


def _counted(chunks: list[ChunkRecord]) -> dict[ChunkState, int]:
    counts: dict[ChunkState, int] = {}
    for chunk in chunks:
        counts[chunk.state] = counts.get(chunk.state, 0) + 1
    return counts


def _summarised(
    upload: UploadRecord, chunks: list[ChunkRecord], counts: dict[ChunkState, int], *, at: datetime
) -> UploadRecord:
    failure = next((chunk for chunk in chunks if chunk.state is ChunkState.FAILED), None)
    first_error = None if failure is None else f"chunk {failure.chunk_id}: {failure.error}"
    return summarised(upload, counts, first_error=first_error, at=at)
