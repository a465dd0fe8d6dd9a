"""Acceptance of an upload whose bytes are on disk: files, manifest and announcement, once for each idempotency key."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from contracts.api import UploadAccepted
from uploader.access.audit import Actor
from uploader.disk.manifest_file import dump_manifest
from uploader.disk.staging_directory import StagingDirectory
from uploader.domain.cutting import CutOptions, CutResult
from uploader.domain.records import ChunkRecord, UploadRecord, moved_to, new_upload
from uploader.domain.replica_identity import ReplicaIdentity
from uploader.errors import (
    AuditChainError,
    DatabaseFullError,
    IdempotencyConflictError,
    InvalidFieldError,
    ManifestLostError,
    ManifestUnavailableError,
)
from uploader.runtime.blocking_pool import BlockingPool
from uploader.runtime.clock import Clock
from uploader.runtime.logging import UploadLog
from uploader.store.claims import Claim
from uploader.store.store import Store
from uploader.store.uploads import TimestampCollisionError
from uploader.uploads.outbox import CLAIM_FOR, Outbox
from uploader.uploads.responses import accepted_of

IDEMPOTENCY_KEY = re.compile(r"^[\x21-\x7e]{1,255}$")
_MAY_EXIST = (
    "the upload may exist anyway: look for it in GET /uploads, or send it again with the same Idempotency-Key, which "
    "stores it once"
)
_MOMENTS = 10
"""How many moments are tried for an upload."""
_MOMENTS_WITHIN_US = 1_000
_Store = Callable[[UploadRecord, list[ChunkRecord]], UploadRecord | None]
_log = logging.getLogger(__name__)


class Acceptance:
    """Turns a directory of chunk files into an upload."""

    def __init__(
        self,
        *,
        store: Store,
        outbox: Outbox,
        threads: BlockingPool,
        replica: ReplicaIdentity,
        bucket: str,
        clock: Clock,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._threads = threads
        self._replica = replica
        self._bucket = bucket
        self._clock = clock

    def check_open(self) -> None:
        """Check, before an upload is received, that it could be committed as far as is known (does not block).

        Raises:
            ManifestLostError: the database is gone, or was replaced.
        """
        self._store.check_usable()

    async def accept(
        self,
        upload_id: str,
        options: CutOptions,
        result: CutResult,
        directory: StagingDirectory,
        idempotency_key: str | None = None,
        *,
        actor: Actor,
        created_at: datetime | None = None,
        traceparent: str | None = None,
    ) -> UploadAccepted:
        """Accept an upload: move its files into place, commit its manifest, and announce its chunks if Kafka answers.

        ``actor`` sent it and owns it; ``created_at`` is when its first byte arrived, ``traceparent`` the trace of its
        announcements. If another upload of the dataset has the same ``created_at``, this one gets an earlier one, by up
        to a millisecond, and so do the names of its chunks.

        If this raises, nothing of the upload remains, at the latest after the next cleaning; the exception is
        ManifestUnavailableError. If the actor's key has used the idempotency key before, nothing remains either, and
        the answer is that of the first upload (``replayed``).

        Raises:
            InvalidFieldError: the idempotency key is malformed.
            IdempotencyConflictError: the key was used for other content or options.
            AuditChainError: the audit chain was changed; nothing more is accepted.
            DatabaseConstraintError: the database refuses the upload for a reason that is not known.
            DatabaseFullError: the disk of the database is full.
            ManifestLostError: the database is gone, or was replaced.
            ManifestUnavailableError: the manifest was not committed, or the confirmation of the commit was lost.
        """
        check_idempotency_key(idempotency_key)
        upload, chunks = new_upload(
            upload_id=upload_id,
            options=options,
            result=replace(result, source_filename=storable(result.source_filename)),
            replica=self._replica.name,
            bucket=self._bucket,
            owner=actor.principal.key_id,
            idempotency_key=idempotency_key,
            created_at=created_at or self._clock(),
            chunked_at=self._clock(),
            traceparent=traceparent,
        )
        # In a task that always completes: a request that is cancelled half-way (shutdown) must not leave a manifest
        # without files, and the directory belongs to the task until it is done.
        task = asyncio.create_task(self._accept(upload, chunks, directory, actor))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            while not task.done():  # however often it is cancelled
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({task})
            raise

    async def _accept(
        self, upload: UploadRecord, chunks: list[ChunkRecord], directory: StagingDirectory, actor: Actor
    ) -> UploadAccepted:
        claim = Claim.new(upload.upload_id)
        store = partial(self._store.uploads.create, claim=claim, claim_for=CLAIM_FOR, actor=actor)
        try:
            upload, first = await self._store_at_free_moment(upload, chunks, directory, store)
        except (AuditChainError, DatabaseFullError, ManifestLostError):
            await directory.discard()  # certainly not stored
            raise
        except ManifestUnavailableError as error:
            # The commit may have succeeded without a confirmation: the cleaner finds out, and acts.
            await directory.abandon_lock()
            raise ManifestUnavailableError(f"{error.detail}; {_MAY_EXIST}", **error.extra) from error
        except BaseException:
            await directory.discard()
            raise
        if first is not None:
            await directory.discard()
            return self._replay(first, upload)
        # From here nothing may fail the request: the client would send the file again, and the data would arrive twice.
        log = UploadLog(_log, upload.upload_id)
        try:
            await directory.release()
        except OSError:
            log.exception("Lock file not removed; the cleaner will retry")
        try:
            return await self._threads.run(self._announce, upload, claim)
        except Exception:
            log.exception("Upload not announced yet; the outbox will retry")
            return accepted_of(upload, base_url=self._replica.base_url, replayed=False)

    async def _store_at_free_moment(
        self, upload: UploadRecord, chunks: list[ChunkRecord], directory: StagingDirectory, store: _Store
    ) -> tuple[UploadRecord, UploadRecord | None]:
        """Commit files and manifest; return the upload as stored, and the one that has its idempotency key instead.

        Raises:
            TimestampCollisionError: all moments that were tried are taken.
        """
        arrived_at = upload.created_at
        for _ in range(_MOMENTS - 1):
            try:
                return upload, await self._store_once(upload, chunks, directory, store)
            except TimestampCollisionError:
                earlier = timedelta(microseconds=1 + secrets.randbelow(_MOMENTS_WITHIN_US))
                upload, renamed = moved_to(upload, chunks, created_at=arrived_at - earlier)
                names = zip(chunks, renamed, strict=True)
                await directory.take_back({old.filename: new.filename for old, new in names})
                chunks = renamed
                UploadLog(_log, upload.upload_id).info(
                    "Chunks renamed: another upload of the dataset began in the same microsecond",
                    extra={"dataset": upload.dataset_name, "chunks": upload.total_chunks},
                )
        return upload, await self._store_once(upload, chunks, directory, store)

    async def _store_once(
        self, upload: UploadRecord, chunks: list[ChunkRecord], directory: StagingDirectory, store: _Store
    ) -> UploadRecord | None:
        await directory.commit(await asyncio.to_thread(dump_manifest, upload, chunks))
        return await self._threads.run(store, upload, chunks)

    def _announce(self, upload: UploadRecord, claim: Claim) -> UploadAccepted:
        log = UploadLog(_log, upload.upload_id)
        log.info(
            "Upload accepted",
            extra={"dataset": upload.dataset_name, "chunks": upload.total_chunks, "rows": upload.row_count},
        )
        self._outbox.announce_now(upload, claim)
        return accepted_of(
            self._store.uploads.find(upload.upload_id) or upload, base_url=self._replica.base_url, replayed=False
        )

    def _replay(self, first: UploadRecord, second: UploadRecord) -> UploadAccepted:
        if (first.source_sha256, first.requested) != (second.source_sha256, second.requested):
            raise IdempotencyConflictError(
                "this Idempotency-Key was used for an upload with other content or other options; "
                "use a new key for a new upload"
            )
        UploadLog(_log, first.upload_id).info("Repeated upload answered with the first one")
        return accepted_of(first, base_url=self._replica.base_url, replayed=True)


def check_idempotency_key(key: str | None) -> None:
    """Check an Idempotency-Key before the bytes are received.

    Raises:
        InvalidFieldError: it is malformed.
    """
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidFieldError(
            "Idempotency-Key must be 1 to 255 visible ASCII characters, such as a UUID", field="Idempotency-Key"
        )


def storable(name: str) -> str:
    """Return ``name`` without characters that PostgreSQL cannot store: NUL, and surrogates of undecodable bytes."""
    return name.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
