"""Resumable uploads while a request uses them: their offset, the bytes that come, and their end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from contracts.number_text import counted
from uploader.disk.part_file import (
    PartFile,
    PartState,
    part_directory,
    read_state,
)
from uploader.disk.upload_turn import UploadTurn
from uploader.domain.resumable_upload import ResumableState, ResumableUpload
from uploader.errors import (
    CompressionRatioExceededError,
    DigestMismatchError,
    FileTooLargeError,
    HeaderRepeatedError,
    IdempotencyConflictError,
    InvalidCompressionError,
    InvalidCsvError,
    InvalidFieldError,
    ManifestUnavailableError,
    TooManyChunksError,
)
from uploader.http.request_body import Body
from uploader.ingest.minimum_rate import MinimumRate
from uploader.ingest.size_limits import SizeLimit, check_space, file_too_large
from uploader.monitoring.metrics import UploaderMetrics
from uploader.resumable.background_digests import BackgroundDigests
from uploader.resumable.content_follower import ContentFollower
from uploader.resumable.errors import (
    OffsetMismatchError,
    ResumableUploadGoneError,
    TusRequestError,
)
from uploader.resumable.finisher import Finisher
from uploader.resumable.part_cutting import restore_follower
from uploader.resumable.part_digests import PartDigests
from uploader.resumable.reception import Reception
from uploader.resumable.registry import ResumableRegistry
from uploader.resumable.turns import take_turn
from uploader.resumable.tus_headers import Checksum
from uploader.runtime.logging import UploadLog
from uploader.runtime.os_errors import disk_errors
from uploader.settings import Settings

_KEPT = "the bytes up to the offset that HEAD returns were kept"
_FAULTS = (
    InvalidCsvError,
    HeaderRepeatedError,
    TooManyChunksError,
    InvalidCompressionError,
    CompressionRatioExceededError,
    InvalidFieldError,
    DigestMismatchError,
    IdempotencyConflictError,
)
"""Faults of the content, which no further request can mend."""
_log = logging.getLogger(__name__)


class ResumableUploads:
    """The resumable uploads of one replica."""

    def __init__(
        self,
        *,
        settings: Settings,
        registry: ResumableRegistry,
        finisher: Finisher,
        digests: BackgroundDigests,
        metrics: UploaderMetrics,
        window_s: float,
    ) -> None:
        self._settings = settings
        self.registry = registry
        self._finisher = finisher
        self._digests = digests
        self._metrics = metrics
        self._window_s = window_s

    @asynccontextmanager
    async def turn(self, upload: ResumableUpload) -> AsyncIterator[UploadTurn]:
        """Have the upload for this request alone. An older request ends, unless it is finishing the upload.

        Raises:
            UploadSupersededError: a newer request has come meanwhile, or the older one does not end.
            ResumableUploadGoneError: its bytes are lost.
        """
        directory = part_directory(self._settings.temp_dir, upload.upload_id)
        try:
            turn = await asyncio.to_thread(UploadTurn, directory)
        except FileNotFoundError:
            await self.registry.lose(upload)
        try:
            with disk_errors(_KEPT):
                await take_turn(turn)
            yield turn
        finally:
            turn.release()

    async def offset(self, upload: ResumableUpload) -> PartState:
        """Return what is durable of an upload.

        Raises:
            ResumableUploadGoneError: it has expired, or its bytes are lost.
        """
        try:
            with disk_errors(_KEPT):
                state = await asyncio.to_thread(read_state, part_directory(self._settings.temp_dir, upload.upload_id))
        except FileNotFoundError:
            await self.registry.lose(upload)
        if self.registry.has_expired(state):
            await self.registry.expire(upload)
            raise ResumableUploadGoneError(
                f"the resumable upload {upload.upload_id} has expired: create a new one", upload_id=upload.upload_id
            )
        return state

    def rate(self) -> MinimumRate:
        """Return the minimum rate of a client, for one request."""
        return MinimumRate(
            window_s=self._window_s, least_bytes=self._settings.min_upload_window_bytes, consequence=_KEPT
        )

    async def append(
        self,
        upload: ResumableUpload,
        turn: UploadTurn,
        body: Body,
        *,
        offset: int,
        length: int | None,
        body_bytes: int | None,
        size_limit: SizeLimit,
        checksum: Checksum | None,
    ) -> tuple[PartState, str | None]:
        """Receive one body; return what is durable then and, if that is the whole file, the id of its upload.

        Args:
            upload: the upload, whose turn the caller has.
            turn: the turn.
            body: the body.
            offset: where the client says that the body starts.
            length: size of the file, if the client tells it only now.
            body_bytes: size of the body, if it is known.
            size_limit: the largest file.
            checksum: of the body.

        Raises:
            OffsetMismatchError: the body starts elsewhere.
            FileTooLargeError: the body is longer than what is missing.
            CsvPipeError: the content is refused, or the request has ended early; the subclass gives the reason.
        """
        state = await self.offset(upload)
        if offset != state.offset:
            raise OffsetMismatchError(
                f"Upload-Offset is {offset}, but {counted(state.offset, 'byte')} arrived: go on from there",
                offset=state.offset,
            )
        upload = await self._with_length(upload, length, size_limit, offset=offset)
        limit_bytes = (size_limit.max_bytes if upload.length_bytes is None else upload.length_bytes) - offset
        if body_bytes is not None and body_bytes > limit_bytes:
            if upload.length_bytes is None:
                raise file_too_large(size_limit, f"the file would have {offset + body_bytes} bytes")
            raise FileTooLargeError(
                f"the body has {body_bytes} bytes, but only {limit_bytes} of the file are missing", missing=limit_bytes
            )
        async with self._part_of(upload) as part:
            return await self._append(upload, turn, part, body, limit_bytes=limit_bytes, checksum=checksum)

    async def finish_if_complete(self, upload: ResumableUpload, state: PartState) -> str | None:
        """Finish an upload whose last byte is durable; return the id of what it is, or None if bytes are missing.

        Raises:
            CsvPipeError: as :meth:`Finisher.finish` does.
        """
        if state.length is None or state.offset < state.length:
            return None
        async with self._part_of(upload) as part, self._refusing(upload):
            return await self._finish(upload, part, None, self._digests.find(upload.upload_id, part))

    @asynccontextmanager
    async def _part_of(self, upload: ResumableUpload) -> AsyncIterator[PartFile]:
        with disk_errors(_KEPT):
            part = await asyncio.to_thread(PartFile.open, part_directory(self._settings.temp_dir, upload.upload_id))
            try:
                yield part
            finally:
                # Not awaited: if the upload has ended, this frees the space of its file, which takes 0.2 s a GB.
                asyncio.get_running_loop().run_in_executor(None, part.close)

    async def _append(
        self,
        upload: ResumableUpload,
        turn: UploadTurn,
        part: PartFile,
        body: Body,
        *,
        limit_bytes: int,
        checksum: Checksum | None,
    ) -> tuple[PartState, str | None]:
        if upload.length_bytes is not None and part.state.length is None:
            await asyncio.to_thread(part.set_length, upload.length_bytes)
        follower = await asyncio.to_thread(
            restore_follower, part, options=upload.cut_options, max_chunks=self._settings.max_chunks
        )
        digests = self._digests.find(upload.upload_id, part)
        async with self._refusing(upload):
            reception = Reception(
                part=part,
                follower=follower,
                limit_bytes=limit_bytes,
                rate=self.rate(),
                check_space=partial(check_space, part.directory, settings=self._settings),
                is_superseded=lambda: turn.is_superseded,
                checksum=checksum,
                digests=digests,
            )
            try:
                await reception.receive(body)
            except _FAULTS as fault:
                self._metrics.count_refused_upload(fault.code)
                raise
            is_complete = part.state.offset == part.state.length
            return part.state, await self._finish(upload, part, follower, digests) if is_complete else None

    async def _finish(
        self,
        upload: ResumableUpload,
        part: PartFile,
        follower: ContentFollower | None,
        digests: PartDigests | None,
    ) -> str:
        try:
            accepted_id = await self._finisher.finish(upload, part, follower, digests)
        except FileTooLargeError as error:  # its content, which is compressed
            await self.registry.refuse(upload, error)
            raise
        self._digests.drop(upload.upload_id)
        try:
            await self.registry.end(upload, ResumableState.FINISHED, accepted_id=accepted_id)
        except (ManifestUnavailableError, OSError) as error:  # it is accepted: the next pass or request notes it
            UploadLog(_log, upload.upload_id).warning(
                "End of a resumable upload not noted", extra={"error": str(error)}
            )
        return accepted_id

    async def _with_length(
        self, upload: ResumableUpload, length: int | None, size_limit: SizeLimit, *, offset: int
    ) -> ResumableUpload:
        """Return the upload with the length that the client tells now, if it does."""
        if length is None or length == upload.length_bytes:
            return upload
        if upload.length_bytes is not None:
            raise TusRequestError(f"Upload-Length is {length}, but was {upload.length_bytes} before: it cannot change")
        if length < offset:
            raise TusRequestError(f"Upload-Length is {length}, but {counted(offset, 'byte')} arrived already")
        if length > size_limit.max_bytes:
            raise file_too_large(size_limit, f"the file has {length} bytes")
        return await self.registry.set_length(upload, length)

    @asynccontextmanager
    async def _refusing(self, upload: ResumableUpload) -> AsyncIterator[None]:
        """End the upload if its content is at fault."""
        try:
            yield
        except _FAULTS as error:
            self._digests.drop(upload.upload_id)
            await self.registry.refuse(upload, error)
            raise
