"""The rows and files of resumable uploads: how one begins, who may use it, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from dataclasses import replace
from typing import NoReturn

from contracts.errors import CsvPipeError
from contracts.permissions import Permission
from uploader.access.audit import Actor
from uploader.access.principal import Principal
from uploader.disk.part_file import (
    PartState,
    create_part,
    part_directory,
    part_ids,
    read_state,
    remove_part,
    sum_missing,
)
from uploader.domain.records import UploadRecord
from uploader.domain.replica_identity import ReplicaIdentity
from uploader.domain.resumable_upload import ResumableState, ResumableUpload, dump_options
from uploader.errors import IdempotencyConflictError, ManifestUnavailableError, UploadNotFoundError
from uploader.ingest.size_limits import check_space
from uploader.resumable.errors import (
    ResumableUploadGoneError,
    ResumableUploadRefusedError,
    ResumableUploadUnfinishedError,
    UploadSupersededError,
)
from uploader.resumable.turns import RETRY_AFTER_S
from uploader.resumable.upload_metadata import UploadMetadata
from uploader.runtime.blocking_pool import BlockingPool
from uploader.runtime.clock import Clock
from uploader.runtime.logging import UploadLog
from uploader.runtime.os_errors import disk_errors
from uploader.settings import Settings
from uploader.store.store import Store
from uploader.uploads.acceptance import storable

_ENDED = {ResumableState.REMOVED: "was removed", ResumableState.EXPIRED: "has expired"}
_log = logging.getLogger(__name__)


class ResumableRegistry:
    """The resumable uploads that the database knows, and the files of those on this replica."""

    def __init__(
        self, *, settings: Settings, store: Store, threads: BlockingPool, replica: ReplicaIdentity, clock: Clock
    ) -> None:
        self._settings = settings
        self._store = store
        self._threads = threads
        self._replica = replica
        self._clock = clock
        self._expiry_s = settings.resumable_expiry_hours * 3600

    def new_upload(
        self,
        metadata: UploadMetadata,
        *,
        length: int | None,
        actor: Actor,
        idempotency_key: str | None,
        traceparent: str | None,
    ) -> ResumableUpload:
        """Return the upload that a client asks for; nothing is stored."""
        return ResumableUpload(
            upload_id=uuid.uuid4().hex,
            state=ResumableState.RECEIVING,
            replica=self._replica.name,
            owner=actor.principal.key_id,
            actor_name=actor.principal.name,
            actor_address=actor.address,
            dataset_name=metadata.options.dataset_name,
            options=dump_options(metadata.options),
            filename=storable(metadata.filename),
            length_bytes=length,
            sha256=metadata.sha256,
            idempotency_key=idempotency_key,
            traceparent=traceparent,
            created_at=self._clock(),
        )

    async def find_first(self, wanted: ResumableUpload) -> ResumableUpload | None:
        """Return the unfinished upload that has the Idempotency-Key of ``wanted``, if there is one.

        Raises:
            IdempotencyConflictError: the key was used for another length or other metadata.
            ManifestUnavailableError: the database does not answer.
        """
        first = await self._threads.run(self._store.resumable_uploads.find_same_key, wanted)
        return None if first is None else _checked(first, wanted)

    async def create(self, wanted: ResumableUpload) -> PartState | ResumableUpload:
        """Create an upload, durably, and return what is on the disk; or the unfinished upload that has its key.

        Raises:
            IdempotencyConflictError: the key was used for another length or other metadata.
            DiskFullError: the disk has no room for the file, its chunks and what others may still send.
            ManifestUnavailableError: the database does not answer.
        """
        upload_id = wanted.upload_id
        with disk_errors("nothing was created"):
            state = await asyncio.to_thread(self._create_part, wanted)
        try:
            first = await self._threads.run(self._store.resumable_uploads.create, wanted)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(remove_part, self._settings.temp_dir, upload_id))
            raise
        if first is not None:
            await asyncio.to_thread(remove_part, self._settings.temp_dir, upload_id)
            return _checked(first, wanted)
        UploadLog(_log, upload_id).info(
            "Resumable upload created", extra={"dataset": wanted.dataset_name, "size_bytes": wanted.length_bytes}
        )
        return state

    async def find_unfinished_state(self, upload: ResumableUpload) -> PartState | None:
        """Return what is durable of an upload on this replica, without its turn; None unless bytes are missing."""
        try:
            with disk_errors("nothing was created"):
                state = await asyncio.to_thread(read_state, part_directory(self._settings.temp_dir, upload.upload_id))
        except FileNotFoundError:
            return None
        return None if state.offset == state.length or self.has_expired(state) else state

    async def find(self, upload_id: str, principal: Principal) -> ResumableUpload:
        """Return an upload that has not ended, or is finished.

        Raises:
            UploadNotFoundError: there is none with this id that ``principal`` may use.
            ResumableUploadGoneError: it was removed, or has expired.
            ResumableUploadRefusedError: it was refused.
        """
        upload = await self._threads.run(self._store.resumable_uploads.find, upload_id)
        if upload is None or not (upload.owner == principal.key_id or principal.may(Permission.ADMIN)):
            raise UploadNotFoundError(f"there is no resumable upload {upload_id[:64]!r}", upload_id=upload_id[:64])
        if upload.state is ResumableState.REFUSED:
            problem = upload.problem or {}
            raise ResumableUploadRefusedError(
                f"the upload was refused: {problem.get('detail', 'its content is not valid')}", problem=problem
            )
        if upload.state in {ResumableState.REMOVED, ResumableState.EXPIRED}:
            raise ResumableUploadGoneError(
                f"the resumable upload {upload_id} {_ENDED[upload.state]}: create a new one", upload_id=upload_id
            )
        return upload

    async def find_accepted(self, upload: ResumableUpload) -> UploadRecord:
        """Return the upload that a resumable one has become.

        Raises:
            ResumableUploadUnfinishedError: it has not become one yet.
            ManifestUnavailableError: the database does not answer.
        """
        # Without accepted_id it may still be accepted: only its end was not noted yet.
        accepted = await self._threads.run(self._store.uploads.find, upload.accepted_id or upload.upload_id)
        if accepted is None:
            raise ResumableUploadUnfinishedError(
                f"the resumable upload {upload.upload_id} is not finished: send what HEAD says is missing",
                upload_id=upload.upload_id,
            )
        return accepted

    async def remove(self, upload: ResumableUpload) -> None:
        """Remove an upload whose turn the caller has; one that is finished keeps its chunks.

        Raises:
            ManifestUnavailableError: the database does not answer.
        """
        await self._threads.run(self._store.resumable_uploads.remove, upload.upload_id, at=self._clock())
        await asyncio.to_thread(remove_part, self._settings.temp_dir, upload.upload_id)

    async def set_length(self, upload: ResumableUpload, length: int) -> ResumableUpload:
        """Store the size of a file that its client had not known, and return the upload with it.

        Raises:
            ManifestUnavailableError: the database does not answer.
        """
        await self._threads.run(self._store.resumable_uploads.set_length, upload.upload_id, length)
        return replace(upload, length_bytes=length)

    def has_expired(self, state: PartState) -> bool:
        """Return whether no byte came for too long. What is complete does not expire: it is about to be finished."""
        return state.offset != state.length and self.expires_at(state) <= time.time()

    async def expire(self, upload: ResumableUpload) -> None:
        """Remove an upload that has expired, and whose turn the caller has."""
        await self.end(upload, ResumableState.EXPIRED)
        UploadLog(_log, upload.upload_id).info("Resumable upload expired")

    def expires_at(self, state: PartState) -> float:
        """Return when an upload expires if no byte comes, in seconds since 1970."""
        return state.touched_at + self._expiry_s

    async def refuse(self, upload: ResumableUpload, error: CsvPipeError) -> None:
        """End an upload whose content is at fault."""
        problem: dict[str, object] = {**error.extra, "code": error.code, "title": error.title, "detail": error.detail}
        log = UploadLog(_log, upload.upload_id)
        log.info("Resumable upload refused", extra={"code": error.code, "error": error.detail})
        try:
            await self.end(upload, ResumableState.REFUSED, problem=problem)
        except ManifestUnavailableError as unavailable:  # the next request finds the same fault again
            log.warning("Refusal not noted", extra={"error": unavailable.detail})

    async def lose(self, upload: ResumableUpload) -> NoReturn:
        """End an upload whose files are gone: it has just ended, or the disk was replaced.

        Raises:
            UploadSupersededError: it has just ended.
            ResumableUploadGoneError: the files are lost.
        """
        is_lost = await self._threads.run(
            self._store.resumable_uploads.end, upload.upload_id, ResumableState.EXPIRED, at=self._clock()
        )
        if not is_lost:
            raise UploadSupersededError("the upload has just ended: ask again", retry_after_s=RETRY_AFTER_S)
        raise ResumableUploadGoneError(
            f"the bytes of the resumable upload {upload.upload_id} are gone: create a new one",
            upload_id=upload.upload_id,
        )

    async def end(
        self,
        upload: ResumableUpload,
        state: ResumableState,
        *,
        accepted_id: str | None = None,
        problem: dict[str, object] | None = None,
    ) -> None:
        """Record what became of an upload whose turn the caller has, and remove its files.

        Raises:
            ManifestUnavailableError: the database does not answer.
        """
        await self._threads.run(
            self._store.resumable_uploads.end,
            upload.upload_id,
            state,
            at=self._clock(),
            accepted_id=accepted_id,
            problem=problem,
        )
        await asyncio.to_thread(remove_part, self._settings.temp_dir, upload.upload_id)

    def _create_part(self, upload: ResumableUpload) -> PartState:
        temp_dir = self._settings.temp_dir
        needed_bytes = 2 * (upload.length_bytes or 0) + self._promised_bytes()
        check_space(temp_dir, needed_bytes, settings=self._settings)
        return create_part(temp_dir, upload.upload_id, length=upload.length_bytes, at=time.time())

    def _promised_bytes(self) -> int:
        """Return what the other uploads need until they are finished: the bytes that are missing, and their chunks."""
        states = list(self._states())
        return sum_missing(states) + sum(state.length or state.offset for state in states)

    def _states(self) -> list[PartState]:
        states = []
        for upload_id in part_ids(self._settings.temp_dir):
            try:
                states.append(read_state(part_directory(self._settings.temp_dir, upload_id)))
            except FileNotFoundError:
                continue  # it has just ended
        return states


def _checked(first: ResumableUpload, wanted: ResumableUpload) -> ResumableUpload:
    if not wanted.repeats(first):
        raise IdempotencyConflictError(
            "this Idempotency-Key was used for a resumable upload of another length or with other metadata, which is "
            "not finished; use a new key for a new upload"
        )
    return first
