"""Reception of one upload: multipart body in, durable chunk files and their description out.

There are two ways to cut the file:

- If ``dataset_name`` is known before the file part starts (from a field before it, or from the query), and the chunks
  are by size or rows, the file is **cut while it is received**, and every byte is written once. If a field after the
  file then changes the options, the content is rebuilt from the chunks and cut again. (Content that is invalid by the
  fields known so far has already been refused.)
- Otherwise (``curl -F file=@x -F dataset_name=y``, or chunks by count) the file is **spooled to disk**, and the chunks
  are copied out of it when everything is known.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from datetime import datetime
from functools import partial
from pathlib import Path

from contracts.digests import CONTENT_DIGEST, REPR_DIGEST
from contracts.errors import CsvPipeError
from contracts.names import timestamp
from uploader.domain.cutting import CutOptions, CutResult
from uploader.errors import InvalidFieldError, MalformedMultipartError
from uploader.http.request_body import Body
from uploader.ingest.chunking.chunker import Chunker
from uploader.ingest.chunking.chunker_choice import must_spool, new_chunker
from uploader.ingest.chunking.chunking_job import ChunkingJob
from uploader.ingest.content.source_unpacker import SourceUnpacker
from uploader.ingest.digest_fields import check_sha256
from uploader.ingest.form_fields import FILE_FIELD, MAX_FIELD_BYTES
from uploader.ingest.minimum_rate import MinimumRate
from uploader.ingest.multipart import Event, MultipartReader, PartBegin, PartData, PartEnd
from uploader.ingest.pipeline.block_filler import BlockFiller
from uploader.ingest.pipeline.blocks import Block, BlockPool
from uploader.ingest.size_limits import (
    FORM_OVERHEAD_BYTES,
    check_disk,
    check_space,
    check_unpacked,
    file_too_large,
)
from uploader.ingest.upload_head import UploadHead
from uploader.runtime.logging import UploadLog
from uploader.settings import UPLOAD_WINDOW_S, Settings

_log = logging.getLogger(__name__)


async def receive_upload(
    *,
    body: Body,
    head: UploadHead,
    settings: Settings,
    directory: Path,
    upload_id: str,
    created_at: datetime,
    window_s: float = UPLOAD_WINDOW_S,
) -> tuple[CutOptions, CutResult]:
    """Receive and cut one upload into ``directory`` (see :func:`uploader.disk.staging_directory.open_staging`).

    When this raises or is cancelled, none of its threads is left; the caller removes the directory.

    Args:
        body: the request's body.
        head: the request's head.
        settings: limits and defaults.
        directory: the directory for the chunk files; empty except for its lock.
        upload_id: for the log.
        created_at: used in the names of the chunks.
        window_s: the window of the minimum rate.

    Raises:
        CsvPipeError: the upload is refused; the subclass gives the reason.
        OSError: the disk has failed or is full.
    """
    log = UploadLog(_log, upload_id)
    receiver = UploadReceiver(
        head=head,
        settings=settings,
        job=ChunkingJob(
            directory=directory,
            stamp=timestamp(created_at),
            max_chunks=settings.max_chunks,
            expected_bytes=head.length_bytes,
            log=log,
            check_space=partial(check_space, directory, settings=settings),
            unpacker=SourceUnpacker(
                check_size=partial(check_unpacked, limit=head.size_limit, max_ratio=settings.max_compression_ratio)
            ),
        ),
        window_s=window_s,
    )
    try:
        return await receiver.receive(body)
    except CsvPipeError as error:
        log.info("Upload refused", extra={"code": error.code, "error": error.detail})
        raise
    except OSError as error:
        log.warning("Upload failed", extra={"error": str(error)})
        raise
    finally:
        # Shielded: the threads must end before the directory is removed, even if this task is cancelled again.
        await asyncio.shield(asyncio.create_task(receiver.stop()))


class UploadReceiver:
    """The state of one upload while its body is read; :meth:`stop` must be called in the end."""

    def __init__(self, *, head: UploadHead, settings: Settings, job: ChunkingJob, window_s: float) -> None:
        self._settings = settings
        self._fields = head.fields
        self._file_digests = [head.file_sha256]
        self._body_digest = head.body_sha256
        self._body_hash = None if head.body_sha256 is None else hashlib.sha256()
        self._size_limit = head.size_limit
        self._job = job
        self._reader = MultipartReader(boundary=head.boundary)
        self._pool = BlockPool()
        self._part: PartBegin | None = None
        self._value = bytearray()
        self._overhead_bytes = 0
        self._chunker: Chunker | None = None
        self._rate = MinimumRate(window_s=window_s, least_bytes=settings.min_upload_window_bytes)
        self._blocks = BlockFiller(self._pool, waiting=self._rate.paused)

    async def receive(self, body: Body) -> tuple[CutOptions, CutResult]:
        """Read the whole body, and return the options and the chunks (see :func:`receive_upload`)."""
        await self._read(body)
        if self._chunker is None:
            raise InvalidFieldError("the part 'file', which contains the CSV, is missing", field=FILE_FIELD)
        options = self._fields.options()
        self._job.dataset_name = options.dataset_name
        if self._body_hash is not None:
            check_sha256(CONTENT_DIGEST, self._body_digest, self._body_hash.hexdigest())
        result = await self._chunker.finish(options=options, check=self._pool.check)
        for declared in self._file_digests:
            check_sha256(REPR_DIGEST, declared, result.source_sha256)
        return options, result

    async def stop(self) -> None:
        """Abandon unfinished work; when this returns, no thread uses a file any more."""
        self._job.unpacker.stop()
        if self._chunker is not None:
            await self._chunker.stop()
        self._chunker = None  # this object and the chunker refer to each other: see BlockPool.close
        self._blocks.drop()
        self._pool.close()

    async def _read(self, body: Body) -> None:
        async with self._rate.enforced():
            block = await self._blocks.with_room()
            while size := await body.read_into(block.room, fill=self._in_file, on_bytes=self._rate.count):
                await self._hash_body(block.room[:size])
                await self._process(block, size)
                block = await self._blocks.with_room()
        self._reader.finish()

    async def _hash_body(self, data: memoryview) -> None:
        """Hash a piece of the body in a thread, if its digest has to be checked."""
        if self._body_hash is not None:
            with self._rate.paused():
                await asyncio.to_thread(self._body_hash.update, data)

    async def _process(self, block: Block, size: int) -> None:
        """Process the ``size`` bytes that were read into the room of ``block``: file content stays in place."""
        if self._in_file and self._reader.is_content(block, block.size, block.size + size):
            self._count_file_bytes(size)
            block.extend(size)
            if block.is_full:
                self._submit()
            return
        self._overhead_bytes += size
        for event in self._reader.feed(bytes(block.room[:size])):
            await self._process_event(event)
        if self._overhead_bytes > FORM_OVERHEAD_BYTES:
            raise MalformedMultipartError(
                f"the form has more than {FORM_OVERHEAD_BYTES} bytes besides the file: send the documented fields, "
                "each once"
            )

    async def _process_event(self, event: Event) -> None:
        match event:
            case PartData(view):
                await self._process_data(view)
            case PartBegin():
                await self._begin_part(event)
            case PartEnd():
                self._end_part()

    @property
    def _in_file(self) -> bool:
        return self._part is not None and self._part.name == FILE_FIELD

    async def _begin_part(self, part: PartBegin) -> None:
        self._part = part
        if part.name == FILE_FIELD:
            await self._begin_file(part)
        elif part.filename is not None:
            raise InvalidFieldError(
                f"the file must be in the part 'file', not in {part.name[:64]!r}", field=part.name[:64]
            )

    async def _begin_file(self, part: PartBegin) -> None:
        if self._chunker is not None:
            raise InvalidFieldError("the part 'file' occurs more than once: send one file per upload", field=FILE_FIELD)
        self._job.source_filename = Path(part.filename or "").name
        self._job.unpacker.declared = part.compression
        self._file_digests.append(part.sha256)
        options = self._fields.options() if self._fields.are_sufficient else None
        if must_spool(options):
            # The spool file is removed when the chunks exist: until then both need space.
            with self._rate.paused():
                await check_disk(
                    self._job.directory, needed_bytes=2 * (self._job.expected_bytes or 0), settings=self._settings
                )
        if options is not None:
            self._job.dataset_name = options.dataset_name
        self._chunker = new_chunker(options=options, job=self._job, on_failure=self._fail)

    def _fail(self, failure: BaseException) -> None:
        """End the upload with ``failure`` (from any thread); no thread waits for another that has failed."""
        self._pool.fail(failure)
        self._job.unpacker.stop()

    async def _process_data(self, view: memoryview) -> None:
        if self._in_file:
            await self._append_to_file(view)
            return
        assert self._part is not None  # noqa: S101  data follows the start of a part
        self._value += view
        if len(self._value) > MAX_FIELD_BYTES:
            name = self._part.name[:64]
            raise InvalidFieldError(f"field {name!r} is longer than {MAX_FIELD_BYTES} bytes", field=name)

    async def _append_to_file(self, view: memoryview) -> None:
        self._overhead_bytes -= len(view)
        self._count_file_bytes(len(view))
        while view:
            block = await self._blocks.with_room()
            view = view[block.append(view) :]
            if block.is_full:
                self._submit()

    def _count_file_bytes(self, size: int) -> None:
        """Count file content, and refuse a file above the limit."""
        self._job.source_bytes += size
        if self._job.source_bytes > self._size_limit.max_bytes:
            raise file_too_large(self._size_limit, "the file is larger than allowed")

    def _submit(self) -> None:
        block = self._blocks.take()
        if block is not None and self._chunker is not None:
            self._chunker.submit(block)

    def _end_part(self) -> None:
        assert self._part is not None  # noqa: S101  the end follows the start of a part
        if self._part.name == FILE_FIELD:
            self._submit()
            return
        value, self._value = bytes(self._value), bytearray()
        try:
            self._fields.add(self._part.name, value.decode())
        except UnicodeDecodeError as error:
            raise MalformedMultipartError(f"field {self._part.name[:64]!r} is not valid UTF-8") from error
