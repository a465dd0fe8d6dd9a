"""Makes an upload exist once its bytes are on disk: files, manifest, announcement; all or nothing, once for a key."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from contracts.api import UploadAccepted
from uploader.disk.manifest_file import dump_manifest
from uploader.disk.staging_directory import StagingDirectory
from uploader.domain.cutting import CutOptions, CutResult
from uploader.domain.records import ChunkRecord, UploadRecord, new_upload
from uploader.domain.replica_identity import ReplicaIdentity
from uploader.errors import (
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
from uploader.uploads.outbox import CLAIM_FOR, Outbox
from uploader.uploads.responses import accepted_of

IDEMPOTENCY_KEY = re.compile(r"^[\x21-\x7e]{1,255}$")
_MAY_EXIST = (
    "the upload may exist all the same: send it again with the same Idempotency-Key, and it is taken once, or look for "
    "it in GET /uploads"
)
_log = logging.getLogger(__name__)


class Acceptance:
    """The step from a directory of chunk files to an upload."""

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
        """Return if uploads can be committed as far as is known, before one is received (does not block).

        Raises:
            ManifestLostError: the database is gone, or another than it was.
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
        created_at: datetime | None = None,
        traceparent: str | None = None,
    ) -> UploadAccepted:
        """Make an upload exist: files to their place, manifest committed, chunks announced where Kafka answers.

        ``created_at`` is when its first byte came, ``traceparent`` what its announcements belong to. Where this raises,
        nothing of the upload remains (at once, or when the cleaner has come by), but for the one error named below;
        where the idempotency key is known, neither, and the answer is that of the first upload (``replayed``).

        Raises:
            InvalidFieldError: the idempotency key breaks its rule.
            IdempotencyConflictError: the key was used for other content or options.
            TimestampCollisionError: another upload of the dataset has the same ``created_at``.
            DatabaseFullError: the disk of the database is full.
            ManifestLostError: the database is gone, or another than it was.
            ManifestUnavailableError: the manifest could not be committed, or was and the database could not say so.
        """
        check_idempotency_key(idempotency_key)
        upload, chunks = new_upload(
            upload_id=upload_id,
            options=options,
            result=replace(result, source_filename=_storable(result.source_filename)),
            replica=self._replica.name,
            bucket=self._bucket,
            idempotency_key=idempotency_key,
            created_at=created_at or self._clock(),
            chunked_at=self._clock(),
            traceparent=traceparent,
        )
        # In a task that runs to its end: a request that is cancelled half-way (shutdown) must not leave a manifest
        # without files, and the directory is the task's until it is done.
        task = asyncio.create_task(self._accept(upload, chunks, directory))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            while not task.done():  # however often one cancels
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({task})
            raise

    async def _accept(
        self, upload: UploadRecord, chunks: list[ChunkRecord], directory: StagingDirectory
    ) -> UploadAccepted:
        claim = Claim.new(upload.upload_id)
        try:
            await directory.commit(await asyncio.to_thread(dump_manifest, upload, chunks))
            first = await self._threads.run(
                self._store.uploads.create, upload, chunks, claim=claim, claim_for=CLAIM_FOR
            )
        except (DatabaseFullError, ManifestLostError):
            await directory.discard()  # not stored, without a doubt
            raise
        except ManifestUnavailableError as error:
            # The database may have committed and not been able to say so: the cleaner sees which, and acts.
            await directory.abandon_lock()
            raise ManifestUnavailableError(f"{error.detail}; {_MAY_EXIST}", **error.extra) from error
        except BaseException:
            await directory.discard()
            raise
        if first is not None:
            await directory.discard()
            return self._replay(first, upload)
        # From here on nothing may fail the request: the client would send again, and the data would arrive twice.
        log = UploadLog(_log, upload.upload_id)
        try:
            await directory.release()
        except OSError:
            log.exception("Its lock file could not be removed; the cleaner will try again")
        try:
            return await self._threads.run(self._announce, upload, claim)
        except Exception:
            log.exception("Not announced yet, the outbox goes on")
            return accepted_of(upload, base_url=self._replica.base_url, replayed=False)

    def _announce(self, upload: UploadRecord, claim: Claim) -> UploadAccepted:
        log = UploadLog(_log, upload.upload_id)
        log.info("Accepted: dataset %s, %d chunks, %d rows", upload.dataset_name, upload.total_chunks, upload.row_count)
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
        UploadLog(_log, first.upload_id).info("The same upload came again; answered with the first")
        return accepted_of(first, base_url=self._replica.base_url, replayed=True)


def check_idempotency_key(key: str | None) -> None:
    """Check an Idempotency-Key before the bytes are received.

    Raises:
        InvalidFieldError: it breaks its rule.
    """
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidFieldError(
            "Idempotency-Key must be 1 to 255 visible ASCII characters, such as a UUID", field="Idempotency-Key"
        )


def _storable(name: str) -> str:
    """Return ``name`` without what PostgreSQL cannot hold: NUL, and surrogates that stand for undecodable bytes."""
    return name.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
