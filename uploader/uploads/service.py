"""Operations on existing uploads: status, download, state reports, repeated announcement, deletion."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection
from datetime import timedelta
from functools import partial
from pathlib import Path

from contracts.api import ChunkStatus, KnownUploads, StateChange, UploadPage, UploadStatus
from contracts.audit import AuditAction
from contracts.manifest import Manifest
from contracts.states import ChunkState, UploadState
from uploader.access.audit import Actor
from uploader.access.principal import Principal
from uploader.disk.ballast_file import BallastFile
from uploader.disk.chunk_files import ChunkFiles
from uploader.domain.chunk_object import ChunkObject
from uploader.domain.records import ChunkRecord, UploadOverview, UploadRecord
from uploader.domain.replica_identity import ReplicaIdentity
from uploader.domain.transitions import ON_THEIR_WAY, SAFE_IN_BUCKET, landed, lost, relayed, renewed, reported_failed
from uploader.errors import ChunkGoneError, DatabaseFullError, InvalidFieldError, UploadGoneError
from uploader.runtime.clock import Clock
from uploader.runtime.logging import UploadLog
from uploader.store.store import Store
from uploader.store.uploads import UploadQuery
from uploader.uploads.cursors import read_cursor, write_cursor
from uploader.uploads.outbox import Outbox
from uploader.uploads.replicas import Replicas
from uploader.uploads.responses import manifest_of, status_of, summary_of

_MAX_EVIDENCE_CHARS = 16_384
_log = logging.getLogger(__name__)


class UploadService:
    """Operations on uploads that :mod:`uploader.uploads.acceptance` has accepted. Calls block.

    For a principal, the uploads of datasets that are not theirs do not exist (UploadNotFoundError).
    """

    def __init__(
        self,
        *,
        store: Store,
        files: ChunkFiles,
        outbox: Outbox,
        replicas: Replicas,
        replica: ReplicaIdentity,
        reannounce_limit: int,
        clock: Clock,
        ballast: BallastFile | None = None,
        on_landed: Callable[[timedelta], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._files = files
        self._outbox = outbox
        self._replicas = replicas
        self._replica = replica
        self._reannounce_limit = reannounce_limit
        self._clock = clock
        self._ballast = ballast or BallastFile()
        self._on_landed = on_landed

    def status(self, upload_id: str, principal: Principal) -> UploadStatus:
        """Return the status of an upload and of its chunks.

        Raises:
            UploadNotFoundError: there is no upload with this id.
        """
        return self._status(*self._store.chunks.read(upload_id, datasets=principal.datasets))

    def manifest(self, upload_id: str, principal: Principal) -> Manifest:
        """Return the manifest of an upload.

        Raises:
            UploadNotFoundError: there is no upload with this id.
            UploadGoneError: it was deleted.
        """
        overview, chunks = self._store.chunks.read(upload_id, datasets=principal.datasets)
        _check_not_deleted(overview)
        upload = self._store.uploads.find(upload_id)
        assert upload is not None  # noqa: S101  rows are never deleted, and what a manifest holds never changes
        return manifest_of(upload, chunks)

    def overview(self, upload_id: str, principal: Principal) -> UploadOverview:
        """Return an upload without the names of its columns.

        Raises:
            UploadNotFoundError: there is no upload with this id.
        """
        return self._store.chunks.read_one(upload_id, 1, datasets=principal.datasets)[0]

    def describe(self, upload_id: str, principal: Principal) -> tuple[UploadRecord, ChunkRecord]:
        """Return an upload in full, and its first chunk.

        Raises:
            UploadNotFoundError: there is no upload with this id.
            UploadGoneError: it was deleted.
        """
        overview, first = self._store.chunks.read_one(upload_id, 1, datasets=principal.datasets)
        _check_not_deleted(overview)
        upload = self._store.uploads.find(upload_id)
        assert upload is not None  # noqa: S101  as above
        return upload, first

    def list_uploads(
        self,
        principal: Principal,
        *,
        limit: int,
        cursor: str | None,
        dataset_name: str | None,
        state: UploadState | None,
    ) -> UploadPage:
        """Return a page of uploads, the newest first.

        Raises:
            InvalidFieldError: the cursor does not come from a page.
        """
        after = None if cursor is None else read_cursor(cursor)
        found = self._store.uploads.list_page(
            UploadQuery(
                limit=limit + 1, after=after, dataset_name=dataset_name, state=state, datasets=principal.datasets
            )
        )
        page = found[:limit]
        next_cursor = write_cursor(page[-1][0]) if len(found) > limit else None
        return UploadPage(uploads=[summary_of(*each) for each in page], next_cursor=next_cursor)

    def known_uploads(self, upload_ids: Collection[str], principal: Principal) -> KnownUploads:
        """Return which of the ids belong to uploads, deleted ones included."""
        found = self._store.uploads.find_many(set(upload_ids), datasets=principal.datasets)
        return KnownUploads(known=sorted(found))

    def locate_chunk(
        self,
        upload_id: str,
        chunk_id: int,
        principal: Principal,
        *,
        redirected_by: str | None = None,
        signature: str | None = None,
    ) -> tuple[Path, ChunkObject]:
        """Return the path of a chunk's file, and the object that it becomes.

        ``redirected_by`` is the replica that redirected the client here, and ``signature`` that of its address.

        Raises:
            UploadNotFoundError: there is no upload with this id.
            ChunkNotFoundError: it has no such chunk.
            UploadGoneError: it was deleted.
            ChunkGoneError: the file has been cleaned up after landing, or is damaged.
            ChunkRedirectedError: the file is on another replica; the client should ask there.
            ChunkOnOtherReplicaError: the file is on another replica whose address is unknown.
            ReplicaUnavailableError: the file is on another replica, which is unavailable.
        """
        upload, chunk = self._store.chunks.read_one(upload_id, chunk_id, datasets=principal.datasets)
        _check_not_deleted(upload)
        cleaned_up = chunk.state is ChunkState.CLEANED
        fault = "its file was removed after the chunk landed" if cleaned_up else self._files.find_fault(chunk)
        if fault is None:
            return self._files.path(chunk), ChunkObject.of(upload, chunk)
        if not cleaned_up and upload.replica != self._replica.name:
            raise self._replicas.locate_elsewhere(upload, chunk_id, redirected_by=redirected_by, signature=signature)
        if chunk.state not in SAFE_IN_BUCKET:
            UploadLog(_log, upload_id).chunk(logging.ERROR, "Chunk file cannot be served", chunk, error=fault)
        raise ChunkGoneError(f"chunk {chunk_id} of upload {upload_id} cannot be downloaded: {fault}")

    def change_chunk_state(self, upload_id: str, chunk_id: int, change: StateChange, *, actor: Actor) -> ChunkStatus:
        """Record a chunk's state that the relay reports; repeating a report changes nothing.

        Raises:
            UploadNotFoundError: there is no upload with this id.
            ChunkNotFoundError: it has no such chunk.
            UploadGoneError: it was deleted.
            EvidenceMismatchError: the object in the bucket is not this chunk.
            IllegalStateChangeError: the table of states forbids the change.
        """
        try:
            evidence_chars = len(json.dumps(change.evidence, allow_nan=False))
        except ValueError as error:
            raise InvalidFieldError(
                "evidence has NaN or Infinity, which JSON does not allow", field="evidence"
            ) from error
        if evidence_chars > _MAX_EVIDENCE_CHARS:
            raise InvalidFieldError(f"evidence is larger than {_MAX_EVIDENCE_CHARS} characters", field="evidence")
        now = self._clock()
        reason = (change.reason or "no reason given").replace("\x00", "")
        edit = {
            ChunkState.RELAYED: partial(relayed, evidence=change.evidence, at=now),
            ChunkState.LANDED: partial(landed, evidence=change.evidence, at=now),
            ChunkState.FAILED: partial(
                reported_failed,
                reason=reason,
                evidence=change.evidence,
                published_at=change.published_at,
                reannounce_limit=self._reannounce_limit,
            ),
        }[change.state]
        # A landing frees space later: the chunk's file may be removed.
        upload, [chunk] = self._ballast.run_or_remove(
            lambda: self._store.chunks.edit(
                upload_id, [chunk_id], edit, at=now, actor=actor, datasets=actor.principal.datasets
            )
        )
        self._log_change(upload, chunk)
        if change.state is ChunkState.LANDED and chunk.landed_at == now and chunk.announced_at is not None:
            self._on_landed(now - chunk.announced_at)
        return ChunkStatus.model_validate(chunk)

    def announce_again(self, upload_id: str, *, actor: Actor) -> UploadStatus:
        """Return all chunks that have not landed, failed ones included, to the outbox; attempts count from 0.

        If all have landed, send one chunk's message immediately and change no state: the DAG run finds the object and
        writes the upload's manifest to the bucket, which may have failed before.

        Raises:
            UploadNotFoundError: there is no upload with this id.
            UploadGoneError: it was deleted.
            PublishError: all has landed, and Kafka does not take the message.
        """
        replica = self._store.chunks.read(upload_id, datasets=actor.principal.datasets)[0].replica

        def edit(chunk: ChunkRecord) -> ChunkRecord:
            if chunk.state in SAFE_IN_BUCKET:
                return chunk
            # Only the replica with the files can check them.
            fault = self._files.find_fault(chunk) if replica == self._replica.name else None
            return renewed(chunk, by_hand=True) if fault is None else lost(chunk, reason=fault)

        upload, chunks = self._store.chunks.edit(
            upload_id, None, edit, at=self._clock(), actor=actor, action=AuditAction.ANNOUNCE
        )
        if upload.state is UploadState.LANDED:
            self._outbox.announce_once_more(upload, chunks[0])
            UploadLog(_log, upload_id).info("Chunk 1 announced again for the manifest; all chunks have landed")
            return self._status(upload, chunks)
        waiting = sum(chunk.state is ChunkState.STORED for chunk in chunks)
        UploadLog(_log, upload_id).info(
            "Chunks returned to the outbox", extra={"chunks": waiting, "total_chunks": upload.total_chunks}
        )
        return self._status(upload, chunks)

    def delete(self, upload_id: str, *, force: bool, actor: Actor) -> UploadStatus:
        """Delete an upload: remove its files, and stop its announcements and downloads. Its row stays, as ``aborted``.

        Objects in the bucket stay there. The idempotency key is free again.

        Raises:
            UploadNotFoundError: there is no upload with this id.
            UploadInProgressError: chunks are announced or relayed, and ``force`` is not set.
        """
        upload = self._abort(upload_id, force=force, actor=actor)
        # In this order: after a crash between the two, the cleaner finds the files by the upload's state.
        if upload.replica == self._replica.name:
            self._files.remove_upload(upload_id)
        UploadLog(_log, upload_id).info("Upload deleted")
        return self.status(upload_id, actor.principal)

    def _abort(self, upload_id: str, *, force: bool, actor: Actor) -> UploadOverview:
        datasets = actor.principal.datasets

        def abort() -> UploadOverview:
            return self._store.uploads.abort(upload_id, force=force, at=self._clock(), actor=actor, datasets=datasets)

        try:
            return self._ballast.run_or_remove(abort)
        except DatabaseFullError:
            upload, chunks = self._store.chunks.read(upload_id, datasets=datasets)
            on_their_way = any(chunk.state in ON_THEIR_WAY for chunk in chunks)
            if upload.replica != self._replica.name or (on_their_way and not force):
                raise
            # In reverse order, for lack of space: a crash before the commit leaves chunks that count as lost.
            self._files.remove_upload(upload_id)
            return abort()

    def _status(self, upload: UploadOverview, chunks: list[ChunkRecord]) -> UploadStatus:
        return status_of(upload, chunks, reannounce_limit=self._reannounce_limit)

    def _log_change(self, upload: UploadOverview, chunk: ChunkRecord) -> None:
        log = UploadLog(_log, upload.upload_id)
        level = logging.ERROR if chunk.state is ChunkState.FAILED else logging.INFO
        log.chunk(level, f"Chunk {chunk.state}", chunk, error=chunk.error)
        if upload.state is UploadState.LANDED:
            log.info("Upload landed", extra={"chunks": upload.total_chunks})


def _check_not_deleted(upload: UploadOverview) -> None:
    if upload.state is UploadState.ABORTED:
        raise UploadGoneError(f"upload {upload.upload_id} was deleted at {upload.aborted_at}")
