"""The end of a resumable upload: its file is cut and hashed, and becomes an upload like any other, exactly once.

A process may die at any moment of it. What it leaves is removed, and the work done again: the upload has its id from
the start, so the database knows whether it was accepted.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from pathlib import Path

from contracts.api import UploadAccepted
from contracts.digests import REPR_DIGEST
from contracts.names import timestamp
from contracts.spans import SpanKind, Spans
from uploader.access.audit import Actor
from uploader.access.principal import Principal
from uploader.disk.chunk_files import ChunkFiles
from uploader.disk.directories import STAGING, remove_directory
from uploader.disk.part_file import PartFile
from uploader.disk.staging_directory import open_staging
from uploader.domain.resumable_upload import ResumableUpload
from uploader.errors import ManifestUnavailableError
from uploader.ingest.chunking.chunking_job import ChunkingJob
from uploader.ingest.content.source_unpacker import SourceUnpacker
from uploader.ingest.digest_fields import check_sha256
from uploader.ingest.size_limits import SizeLimit, check_space, check_unpacked
from uploader.monitoring.metrics import UploaderMetrics
from uploader.monitoring.upload_outcome import UploadOutcome
from uploader.resumable.content_follower import ContentFollower
from uploader.resumable.part_cutting import cut_part
from uploader.resumable.part_digests import PartDigests
from uploader.runtime.blocking_pool import BlockingPool
from uploader.runtime.logging import UploadLog
from uploader.settings import Settings
from uploader.store.store import Store
from uploader.uploads.acceptance import Acceptance
from uploader.uploads.responses import span_attributes_of

_COMMIT_MAY_TAKE_S = 60.0
"""How long PostgreSQL may take to commit for a process that is gone; with SQLite the process itself commits."""
_DECLARED = f"{REPR_DIGEST}, or sha256 in Upload-Metadata,"
"""Where the digest was declared: the row has only its value."""
_log = logging.getLogger(__name__)


class Finisher:
    """Accepts files whose last byte is durable. Only the holder of an upload's turn may call it."""

    def __init__(
        self,
        *,
        settings: Settings,
        store: Store,
        acceptance: Acceptance,
        threads: BlockingPool,
        metrics: UploaderMetrics,
        spans: Spans,
    ) -> None:
        self._settings = settings
        self._store = store
        self._acceptance = acceptance
        self._threads = threads
        self._metrics = metrics
        self._spans = spans
        self._files = ChunkFiles(settings.temp_dir)

    async def finish(
        self,
        upload: ResumableUpload,
        part: PartFile,
        follower: ContentFollower | None = None,
        digests: PartDigests | None = None,
    ) -> str:
        """Accept the file, unless it was accepted before, and return the id of the upload that it is.

        Args:
            upload: the row of the upload.
            part: its file, complete and durable.
            follower: has scanned the file to its end; without one, the saved scan is continued.
            digests: have followed the file; without them, all is hashed now.

        Raises:
            CsvPipeError: the file is refused, or cannot be accepted now; the subclass gives the reason.
            OSError: the disk has failed or is full.
        """
        if await self._threads.run(self._store.uploads.find, upload.upload_id) is not None:
            return upload.upload_id
        attributes = {"csvpipe.upload_id": upload.upload_id}
        with (
            self._metrics.upload() as outcome,
            self._spans.span("upload", parent=upload.traceparent, kind=SpanKind.SERVER, attributes=attributes) as span,
        ):
            accepted = await self._accept(
                upload, part, follower, digests, outcome=outcome, traceparent=span.traceparent
            )
            span.set_attributes(span_attributes_of(accepted))
            outcome.record_accepted(replayed=accepted.replayed)
        return accepted.upload_id

    async def _accept(
        self,
        upload: ResumableUpload,
        part: PartFile,
        follower: ContentFollower | None,
        digests: PartDigests | None,
        *,
        outcome: UploadOutcome,
        traceparent: str | None,
    ) -> UploadAccepted:
        await asyncio.to_thread(self._remove_leftovers, upload.upload_id)
        options = upload.cut_options
        size_limit = await self._threads.run(self._find_size_limit, upload)
        async with open_staging(self._settings.temp_dir, upload.upload_id) as directory:
            job = ChunkingJob(
                directory=directory.path,
                stamp=timestamp(upload.created_at),
                max_chunks=self._settings.max_chunks,
                expected_bytes=part.size,
                log=UploadLog(_log, upload.upload_id),
                dataset_name=options.dataset_name,
                source_filename=upload.filename,
                source_bytes=part.size,
                check_space=partial(check_space, directory.path, settings=self._settings),
                unpacker=SourceUnpacker(
                    check_size=partial(check_unpacked, limit=size_limit, max_ratio=self._settings.max_compression_ratio)
                ),
            )
            result = await cut_part(part, follower, digests, options=options, job=job)
            check_sha256(_DECLARED, upload.sha256, result.source_sha256)
            outcome.record_chunked(result)
            return await self._acceptance.accept(
                upload.upload_id,
                options,
                result,
                directory,
                upload.idempotency_key,
                actor=actor_of(upload),
                created_at=upload.created_at,
                traceparent=traceparent,
            )

    def _find_size_limit(self, upload: ResumableUpload) -> SizeLimit:
        """Return the largest content that a compressed file may have (blocks)."""
        key = None if upload.owner is None else self._store.keys.find(upload.owner)
        return SizeLimit.of_key(None if key is None else key.max_file_size_mb, settings=self._settings)

    def _remove_leftovers(self, upload_id: str) -> None:
        """Remove what a process that died has left of this upload, which is certainly not in the database (blocks).

        Raises:
            ManifestUnavailableError: its commit may still succeed.
        """
        temp_dir: Path = self._settings.temp_dir
        if (temp_dir / STAGING / upload_id).exists():
            remove_directory(temp_dir / STAGING / upload_id, temp_dir=temp_dir)
        if not (temp_dir / upload_id).exists():
            return
        age_s = self._files.lock_age_s(upload_id)
        left_s = 0.0 if age_s is None or self._settings.uses_sqlite else _COMMIT_MAY_TAKE_S - age_s
        if left_s > 0:
            raise ManifestUnavailableError(
                "the process that accepted the upload has ended, and its commit may still succeed: the upload is "
                "finished as soon as that is known",
                retry_after_s=int(left_s) + 1,
            )
        self._files.remove_upload(upload_id)


def actor_of(upload: ResumableUpload) -> Actor:
    """Return who has created the upload, as the audit records name them."""
    principal = Principal(key_id=upload.owner, name=upload.actor_name, permissions=frozenset(), datasets=())
    return Actor(principal, upload.actor_address)
