"""Receives one upload: multipart body in, durable chunk files and their description out.

Which way the bytes take:

- ``dataset_name`` is known before the file part starts (a field in front of it, or in the query), and the chunks are
  by size or rows: the file is **cut while it is received**, and every byte is written once. Should a field behind the
  file then say something else, the chunks are put together again and cut anew (what is invalid by the fields known
  so far has been refused by then).
- else (``curl -F file=@x -F dataset_name=y``, or chunks by count): the file is **kept once on disk**, and the chunks
  are copied out of it, inside the kernel, when all is known.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

from contracts.errors import CsvPipeError
from contracts.names import timestamp
from uploader.domain.cutting import ChunkType, CutOptions, CutResult
from uploader.errors import (
    DiskFullError,
    FileTooLargeError,
    InvalidFieldError,
    MalformedMultipartError,
    UnsupportedMediaTypeError,
)
from uploader.http.body import Body
from uploader.ingest.chunking.blocks import Block, BlockPool
from uploader.ingest.chunking.job import ChunkingJob
from uploader.ingest.chunking.spooled import SpooledChunker
from uploader.ingest.chunking.streaming import StreamingChunker
from uploader.ingest.form_fields import FILE_FIELD, MAX_FIELD_BYTES, UploadFields
from uploader.ingest.minimum_rate import MinimumRate
from uploader.ingest.multipart import Event, MultipartReader, PartBegin, PartData, PartEnd, boundary_of
from uploader.runtime.logging import UploadLog
from uploader.settings import UPLOAD_WINDOW_S, Settings

_log = logging.getLogger(__name__)
_MULTIPART_OVERHEAD_BYTES = 64 * 1024
"""What a body may hold beside the file: fields, the heads of parts, and whatever follows the last of them."""
IDLE_S = UPLOAD_WINDOW_S


async def receive_upload(
    *,
    body: Body,
    headers: Mapping[str, str],
    query: Iterable[tuple[str, str]],
    settings: Settings,
    directory: Path,
    upload_id: str,
    created_at: datetime,
) -> tuple[CutOptions, CutResult]:
    """Receive and cut one upload into ``directory`` (see :func:`uploader.disk.staging.receiving_directory`).

    When this raises, or is cancelled, no thread of it is left; the directory is for the caller to remove.

    Args:
        body: the request's body.
        headers: the request's headers, names in lower case.
        query: the parameters of the query string.
        settings: limits and defaults.
        directory: where the chunk files go; exists and is empty but for its lock.
        upload_id: for the log.
        created_at: stands in the names of the chunks.

    Raises:
        CsvPipeError: the upload is refused; the subclass says why.
        OSError: the disk fails, or is full.
    """
    log = UploadLog(_log, upload_id)
    length = _declared_length(headers)
    check_length(length, settings=settings)
    boundary = boundary_of(headers.get("content-type"))
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise UnsupportedMediaTypeError(f"Content-Encoding {encoding!r} is not taken: send the file uncompressed")
    await check_disk(directory, needed_bytes=length or 0, settings=settings)
    intake = _Intake(
        boundary=boundary,
        settings=settings,
        fields=UploadFields(query=query, defaults=settings),
        job=ChunkingJob(
            directory=directory,
            stamp=timestamp(created_at),
            max_chunks=settings.max_chunks,
            expected_bytes=length,
            log=log,
            make_room=partial(check_room, directory, settings=settings),
        ),
    )
    try:
        return await intake.receive(body)
    except CsvPipeError as error:
        log.info("Refused: %s: %s", error.code, error.detail)
        raise
    except OSError as error:
        log.warning("Failed: %s", error)
        raise
    finally:
        # Shielded: the threads must be gone before the directory is, whatever happens to this task.
        await asyncio.shield(asyncio.create_task(intake.stop()))


def _declared_length(headers: Mapping[str, str]) -> int | None:
    value = headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() else None


def check_length(body_bytes: int | None, *, settings: Settings) -> None:
    """Refuse a body whose Content-Length is too much for the largest file.

    Raises:
        FileTooLargeError: see above.
    """
    if body_bytes is not None and body_bytes > settings.max_file_size_bytes + _MULTIPART_OVERHEAD_BYTES:
        raise _too_large(settings, f"the body has {body_bytes} bytes")


def _too_large(settings: Settings, what: str) -> FileTooLargeError:
    return FileTooLargeError(
        f"{what}; a file may have {settings.max_file_size_mb} MB (MAX_FILE_SIZE_MB), that is "
        f"{settings.max_file_size_bytes} bytes",
        max_file_size_bytes=settings.max_file_size_bytes,
    )


async def check_disk(directory: Path, *, needed_bytes: int, settings: Settings) -> None:
    """Do as :func:`check_room` does, from the event loop."""
    await asyncio.to_thread(check_room, directory, needed_bytes, settings=settings)


def check_room(directory: Path, needed_bytes: int, *, settings: Settings) -> None:
    """Refuse to write what would leave less than ``MIN_FREE_DISK_MB`` (blocks).

    Raises:
        DiskFullError: see above.
    """
    free = shutil.disk_usage(directory).free
    if free - needed_bytes < settings.min_free_disk_bytes:
        raise DiskFullError(
            f"the upload needs {needed_bytes} bytes more, and {settings.min_free_disk_mb} MB are to stay free "
            f"(MIN_FREE_DISK_MB), but the disk of TEMP_DIR has {free} bytes left; try again when chunks have landed",
            free_bytes=free,
            needed_bytes=needed_bytes,
        )


class _Intake:
    """The state of one upload between two pieces of its body."""

    def __init__(self, *, boundary: bytes, settings: Settings, fields: UploadFields, job: ChunkingJob) -> None:
        self._settings = settings
        self._fields = fields
        self._job = job
        self._reader = MultipartReader(boundary=boundary)
        self._pool = BlockPool()
        self._block: Block | None = None
        self._part: PartBegin | None = None
        self._value = bytearray()
        self._beside_file_bytes = 0
        self._cut: StreamingChunker | SpooledChunker | None = None
        self._pace = MinimumRate(window_s=IDLE_S, least_bytes=settings.min_upload_window_bytes)

    async def receive(self, body: Body) -> tuple[CutOptions, CutResult]:
        await self._read(body)
        if self._cut is None:
            raise InvalidFieldError("the part 'file' is missing: it holds the CSV", field=FILE_FIELD)
        options = self._fields.options()
        self._job.dataset_name = options.dataset_name
        if isinstance(self._cut, SpooledChunker):
            return options, await self._cut.finish(options=options, check=self._pool.check)
        result = await self._cut.finish(check=self._pool.check)
        if options == self._cut.options:
            return options, result
        self._job.log.info("A field behind the file changes how it is cut: it is cut again")
        return options, await self._cut.cut_again(options, result)

    async def _read(self, body: Body) -> None:
        async with self._pace.kept():
            block = await self._block_with_room()
            while size := await body.read_into(block.room, fill=self._in_file, arrived=self._pace.arrived):
                await self._take_piece(block, size)
                block = await self._block_with_room()
        self._reader.finish()

    async def _take_piece(self, block: Block, size: int) -> None:
        """Take the ``size`` bytes that were read into the room of ``block``: file content stays where it is."""
        if self._in_file and self._reader.is_content(block, block.size, block.size + size):
            self._count(size)
            block.extend(size)
            if block.full:
                self._submit()
            return
        self._beside_file_bytes += size
        for event in self._reader.feed(bytes(block.room[:size])):
            await self._take(event)
        if self._beside_file_bytes > _MULTIPART_OVERHEAD_BYTES:
            raise MalformedMultipartError(
                f"the form has more than {_MULTIPART_OVERHEAD_BYTES} bytes beside the file: send the fields that the "
                "documentation names, each once"
            )

    async def _take(self, event: Event) -> None:
        match event:
            case PartData(view):
                await self._take_data(view)
            case PartBegin():
                await self._begin_part(event)
            case PartEnd():
                self._end_part()

    @property
    def _in_file(self) -> bool:
        return self._part is not None and self._part.name == FILE_FIELD

    async def stop(self) -> None:
        if self._cut is not None:
            await self._cut.stop()
        self._pool.close()

    async def _begin_part(self, part: PartBegin) -> None:
        self._part = part
        if part.name == FILE_FIELD:
            await self._begin_file(part)
        elif part.filename is not None:
            raise InvalidFieldError(
                f"the file is expected in part 'file', not in {part.name[:64]!r}", field=part.name[:64]
            )

    async def _begin_file(self, part: PartBegin) -> None:
        if self._cut is not None:
            raise InvalidFieldError("there is more than one part 'file': an upload is one file", field=FILE_FIELD)
        self._job.source_filename = Path(part.filename or "").name
        options = self._fields.options() if self._fields.sufficient else None
        if options is None or options.chunk_type is ChunkType.COUNT:
            # The spool goes when the chunks are there: for a moment both are.
            with self._pace.our_turn():
                await check_disk(
                    self._job.directory, needed_bytes=2 * (self._job.expected_bytes or 0), settings=self._settings
                )
            self._cut = SpooledChunker(options=options, job=self._job, on_failure=self._pool.fail)
        else:
            self._job.dataset_name = options.dataset_name
            self._cut = StreamingChunker(options=options, job=self._job, on_failure=self._pool.fail)

    async def _take_data(self, view: memoryview) -> None:
        if self._in_file:
            await self._take_file_data(view)
            return
        assert self._part is not None  # noqa: S101  data follows the start of a part
        self._value += view
        if len(self._value) > MAX_FIELD_BYTES:
            name = self._part.name[:64]
            raise InvalidFieldError(f"field {name!r} is longer than {MAX_FIELD_BYTES} bytes", field=name)

    async def _take_file_data(self, view: memoryview) -> None:
        self._beside_file_bytes -= len(view)
        self._count(len(view))
        while view:
            block = await self._block_with_room()
            view = view[block.append(view) :]
            if block.full:
                self._submit()

    def _count(self, size: int) -> None:
        """Count file content, and refuse what is too much for the limit."""
        self._job.source_bytes += size
        if self._job.source_bytes > self._settings.max_file_size_bytes:
            raise _too_large(self._settings, "the file goes on")

    async def _block_with_room(self) -> Block:
        if self._block is None:
            with self._pace.our_turn():
                self._block = await self._pool.acquire()
        return self._block

    def _submit(self) -> None:
        block, self._block = self._block, None
        if block is not None and self._cut is not None:
            self._cut.submit(block)

    def _end_part(self) -> None:
        assert self._part is not None  # noqa: S101  the end follows the start of a part
        if self._part.name == FILE_FIELD:
            self._submit()
            return
        value, self._value = bytes(self._value), bytearray()
        try:
            self._fields.add(self._part.name, value.decode())
        except UnicodeDecodeError as error:
            raise MalformedMultipartError(f"field {self._part.name[:64]!r} is not UTF-8") from error
