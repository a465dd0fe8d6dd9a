"""Makes the database anew from the manifests that lie beside the chunk files (``csvpipe recover``).

What the disk does not tell is taken to be undone: a chunk whose file is there counts as stored and is announced again,
which is harmless, as its object is found in the bucket. Every upload is one transaction, and one that is known already
is left as it is: so this may be killed and run again.
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
from uploader.errors import TimestampCollisionError, UploadGoneError
from uploader.runtime.clock import Clock
from uploader.store.store import Store
from uploader.store.uploads import RestoreOutcome


class Outcome(StrEnum):
    """What became of one directory."""

    RESTORED = "restored"
    """Its upload is in the database again."""
    KNOWN = "known"
    """The database knew it."""
    NO_MANIFEST = "no_manifest"
    """It has no manifest: nothing can be said of its files."""
    UNREADABLE = "unreadable"
    """Its manifest is damaged, or contradicts the database."""


BAD_OUTCOMES = frozenset({Outcome.NO_MANIFEST, Outcome.UNREADABLE})


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One directory: what became of it, its chunks by state, and what a person should know."""

    upload_id: str
    outcome: Outcome
    chunks: dict[ChunkState, int]
    notes: list[str]


class Rebuild:
    """Goes through the directories of one disk. Calls block."""

    def __init__(self, *, store: Store, files: ChunkFiles, replica: str, clock: Clock, dry_run: bool) -> None:
        self._store = store
        self._files = files
        self._replica = replica
        self._clock = clock
        self._dry_run = dry_run

    def upload_ids(self) -> list[str]:
        """Return the directories to go through."""
        return self._files.upload_ids()

    def run(self) -> Iterator[Finding]:
        """Restore one upload after the other, and say of each what became of it."""
        for upload_id in self.upload_ids():
            yield self._restore(upload_id)

    def _restore(self, upload_id: str) -> Finding:
        try:
            found = read_manifest(self._files.root / upload_id)
            if found is None:
                return self._known_without_manifest(upload_id)
            if upload_id in self._store.uploads.find_many([upload_id]):
                return self._repair(found)
            return self._store_anew(found)
        except (ManifestFileError, TimestampCollisionError) as error:
            return Finding(upload_id=upload_id, outcome=Outcome.UNREADABLE, chunks={}, notes=[str(error)])

    def _known_without_manifest(self, upload_id: str) -> Finding:
        if upload_id in self._store.uploads.find_many([upload_id]):
            return Finding(upload_id=upload_id, outcome=Outcome.KNOWN, chunks={}, notes=[])
        note = "no manifest lies beside its files: move the directory away"
        return Finding(upload_id=upload_id, outcome=Outcome.NO_MANIFEST, chunks={}, notes=[note])

    def _store_anew(self, found: StoredManifest) -> Finding:
        at = self._clock()
        chunks = [self._as_found(chunk, at=at) for chunk in found.chunks]
        counts = _counted(chunks)
        upload = replace(_summarised(found.upload, chunks, counts, at=at), replica=self._replica)
        notes = [f"chunk {chunk.chunk_id}: {chunk.error}" for chunk in chunks if chunk.error is not None]
        if not self._dry_run:
            restored = self._store.uploads.restore(upload, chunks)
            if restored is RestoreOutcome.KNOWN:
                return Finding(upload_id=upload.upload_id, outcome=Outcome.KNOWN, chunks=counts, notes=[])
            if restored is RestoreOutcome.WITHOUT_KEY:
                notes.append("its Idempotency-Key belongs to another upload now")
            # It stays locked where its process died around the commit; the manifest says now whose the files are.
            self._files.remove_lock(upload.upload_id)
        return Finding(upload_id=upload.upload_id, outcome=Outcome.RESTORED, chunks=counts, notes=notes)

    def _as_found(self, chunk: ChunkRecord, *, at: datetime) -> ChunkRecord:
        if self._files.was_cleaned(chunk):
            return found_cleaned(chunk, at=at)
        fault = self._files.find_fault(chunk)
        return chunk if fault is None else lost(chunk, reason=fault)

    def _repair(self, found: StoredManifest) -> Finding:
        """Tell an older copy of the database what was cleaned since: those chunks have landed."""
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
        return Finding(upload_id=upload_id, outcome=Outcome.KNOWN, chunks=_counted(chunks), notes=notes)


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
