"""The care for resumable uploads that no request cares for: complete ones are finished, expired ones removed."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from contracts.errors import CsvPipeError
from uploader.disk.part_file import part_directory, part_ids, read_state, remove_part
from uploader.disk.upload_turn import UploadTurn
from uploader.domain.replica_identity import ReplicaIdentity
from uploader.domain.resumable_upload import ResumableState, ResumableUpload
from uploader.errors import ManifestUnavailableError
from uploader.resumable.service import ResumableUploads
from uploader.runtime.blocking_pool import BlockingPool
from uploader.runtime.clock import Clock
from uploader.runtime.logging import UploadLog
from uploader.store.store import Store

REMEMBERED_FOR = timedelta(days=30)
"""How long a client is told what became of an upload that has ended."""
_JUST_CREATED = timedelta(minutes=1)
_log = logging.getLogger(__name__)


class ResumableHousekeeping:
    """Goes through the uploads of this replica that no request is using."""

    def __init__(
        self,
        *,
        uploads: ResumableUploads,
        store: Store,
        threads: BlockingPool,
        replica: ReplicaIdentity,
        temp_dir: Path,
        clock: Clock,
    ) -> None:
        self._uploads = uploads
        self._store = store.resumable_uploads
        self._keys = store.keys
        self._threads = threads
        self._replica = replica
        self._temp_dir = temp_dir
        self._clock = clock

    async def run_pass(self) -> bool:
        """Finish what is complete, remove what has expired or ended, and forget what ended long ago.

        Raises:
            ManifestUnavailableError: the database does not answer.
        """
        is_well = True
        found = await asyncio.to_thread(part_ids, self._temp_dir)
        for upload_id in found:
            is_well = await self._try_visit(upload_id) and is_well
        await self._end_lost(set(found))
        await self._threads.run(self._store.forget_ended, before=self._clock() - REMEMBERED_FOR)
        return is_well

    async def _try_visit(self, upload_id: str) -> bool:
        """Care for one upload unless a request does; return False if that failed and has to be tried again."""
        try:
            turn = await asyncio.to_thread(UploadTurn, part_directory(self._temp_dir, upload_id))
        except FileNotFoundError:
            await asyncio.to_thread(self._remove_if_old, upload_id)
            return True
        try:
            if turn.try_lock():
                await self._visit(upload_id)
        except ManifestUnavailableError:
            raise
        except (CsvPipeError, OSError) as error:
            UploadLog(_log, upload_id).warning(
                "Resumable upload not finished; retrying later", extra={"error": str(error)}
            )
            return isinstance(error, CsvPipeError) and error.status < 500  # refused, which ends it
        finally:
            turn.release()
        return True

    def _remove_if_old(self, upload_id: str) -> None:
        """Remove what has no lock, unless it is being created (blocks)."""
        with suppress(FileNotFoundError):
            age_s = abs(time.time() - part_directory(self._temp_dir, upload_id).stat().st_mtime)
            if age_s > _JUST_CREATED.total_seconds():
                remove_part(self._temp_dir, upload_id)

    async def _visit(self, upload_id: str) -> None:
        upload = await self._threads.run(self._store.find, upload_id)
        try:
            state = await asyncio.to_thread(read_state, part_directory(self._temp_dir, upload_id))
        except FileNotFoundError:
            if upload is None or upload.state is not ResumableState.RECEIVING:
                await asyncio.to_thread(remove_part, self._temp_dir, upload_id)
            return
        if upload is None:
            # Of a database that is gone; or its client has never got an answer.
            if self._uploads.registry.expires_at(state) <= time.time():
                await asyncio.to_thread(remove_part, self._temp_dir, upload_id)
        elif upload.state is not ResumableState.RECEIVING:
            await asyncio.to_thread(remove_part, self._temp_dir, upload_id)
        elif self._uploads.registry.has_expired(state) or (
            state.offset != state.length and await self._threads.run(self._has_lost_its_owner, upload)
        ):
            await self._uploads.registry.expire(upload)
        else:
            await self._uploads.finish_if_complete(upload, state)

    def _has_lost_its_owner(self, upload: ResumableUpload) -> bool:
        """Return whether nobody can send the rest, because the key is revoked or has expired (blocks)."""
        # Keys of the settings are not in the database.
        key = None if upload.owner is None else self._keys.find(upload.owner)
        return key is not None and (key.revoked_at is not None or key.is_expired(self._clock()))

    async def _end_lost(self, found: set[str]) -> None:
        """End uploads of this replica whose files are gone, because its disk was replaced."""
        receiving = await self._threads.run(self._store.receiving, replica=self._replica.name)
        latest = self._clock() - _JUST_CREATED
        for upload in receiving:
            if upload.upload_id not in found and upload.created_at < latest:
                await self._end(upload)

    async def _end(self, upload: ResumableUpload) -> None:
        if part_directory(self._temp_dir, upload.upload_id).exists():
            return  # created since
        await self._threads.run(self._store.end, upload.upload_id, ResumableState.EXPIRED, at=self._clock())
        UploadLog(_log, upload.upload_id).warning("Resumable upload ended: its bytes are gone")
