"""The way of an upload that cannot be cut while it comes in: kept once on disk, cut when all is known.

That is so where the file comes before ``dataset_name``, and for ``chunk_type=count``, which needs the number of rows.
The chunk files are then copied out of the spool inside the kernel (``copy_file_range``), several at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from csvscan import Dialect, Scanner
from uploader.domain.cutting import ChunkType, CutOptions, CutResult
from uploader.errors import InvalidCsvError
from uploader.ingest.chunking.blocks import DEFAULT_BLOCK_BYTES, Block
from uploader.ingest.chunking.content import ContentScanner, ScannedBlock, SourceTranscoder
from uploader.ingest.chunking.cutter import ChunkBounds, ChunkCutter, NoSink, join_blank_tail, too_many_chunks
from uploader.ingest.chunking.files import FILE_MODE, copy_range, hash_file, read_blocks, write_all
from uploader.ingest.chunking.job import ChunkingJob
from uploader.ingest.chunking.plan import RowBoundary, plan_for, spread
from uploader.ingest.chunking.worker import Worker, on_own_thread

SPOOL_FILE = ".spool"
_BUILDERS = 2


class StoppedError(Exception):
    """The upload was given up while threads were at work on it; nobody sees this."""


class RowIndex:
    """A place between two rows for each block, so that any row is found by scanning one block again."""

    def __init__(self) -> None:
        self._places: list[RowBoundary] = []

    def feed(self, scanned: ScannedBlock) -> None:
        """Note the first row end of a block."""
        if not self._places:
            self._places.append(scanned.place)
        first = scanned.scan.first_end_at_or_after(0)
        if first is not None:
            rows = scanned.place.rows + scanned.scan.rows_before(first)
            self._places.append(RowBoundary(scanned.place.offset + first, rows))

    def end_of_row(self, row: int, *, spool_fd: int, buffer: memoryview, dialect: Dialect) -> RowBoundary:
        """Return the end of ``row`` (from 1), which must not be the last row."""
        near = self._places[bisect_right(self._places, row, key=lambda place: place.rows) - 1]
        if near.rows == row:
            return near
        scanner = Scanner(dialect=dialect, expected_fields=None)
        for data in read_blocks(spool_fd, buffer, start=near.offset):
            before = RowBoundary(near.offset + scanner.bytes_scanned, near.rows + scanner.rows)
            scan = scanner.feed(data)
            if before.rows + scan.rows >= row:
                return RowBoundary(before.offset + scan.end_of_row(row - before.rows), row)
        raise ValueError(f"row {row} is not in the spool")


class SpoolFile:
    """Cuts a content that lies in one file. All calls block; when ``stopped`` is set they raise StoppedError soon."""

    def __init__(self, *, job: ChunkingJob, transcoder: SourceTranscoder, stopped: threading.Event) -> None:
        self._job = job
        self._path = job.directory / SPOOL_FILE
        self.fd = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
        self._transcoder = transcoder
        self._scanner: ContentScanner | None = None
        self._scanned_by: CutOptions | None = None
        self._index = RowIndex()
        self._stopped = stopped

    def scan(self, data: memoryview, options: CutOptions) -> None:
        """Count the rows of the next block while it comes in, so that no pass is needed for that."""
        if self._scanner is None:
            self._scanner = self._new_scanner(options)
            self._scanned_by = options
        scanned = self._scanner.feed(data)
        if scanned is not None:
            self._index.feed(scanned)

    def scan_held_back(self) -> None:
        """Scan what waits for more rows, as none come: see :meth:`ContentScanner.scan_held_back`."""
        if self._scanner is not None:
            self._scanner.scan_held_back()

    @property
    def current_row(self) -> int:
        """The row up to which the spool was scanned; 0 is the header."""
        return 0 if self._scanner is None else self._scanner.current_row

    @property
    def size_bytes(self) -> int:
        """How much is in the spool."""
        return os.fstat(self.fd).st_size

    def cut(self, options: CutOptions, *, content_sha256: str) -> CutResult:
        """Find the places to cut at, build the chunks, and remove the spool.

        Raises:
            InvalidCsvError: the content is no CSV.
            HeaderRepeatedError: the headers of all chunks are out of proportion to the file.
            StoppedError: the upload was given up.
        """
        self._job.make_room(self.size_bytes)
        buffer = memoryview(bytearray(DEFAULT_BLOCK_BYTES))
        if options.chunk_type is ChunkType.COUNT:
            scanner, spans = self._spans_by_count(options, buffer)
        else:
            scanner, spans = self._spans_by_plan(options, buffer)
        self._job.check_chunks(scanner, len(spans), sent_bytes=self._job.source_bytes)
        header_bytes = len(scanner.header.prefix)
        self._job.make_room(scanner.end.offset + header_bytes * (len(spans) - 1))
        sha256 = self._build_all(spans, scanner.header.prefix)
        self._path.unlink()
        return self._job.result(
            scanner=scanner, transcoder=self._transcoder, content_sha256=content_sha256, spans=spans, sha256=sha256
        )

    def close(self) -> None:
        """Close the spool."""
        self._scanner = None  # as in StreamingChunker.stop
        os.close(self.fd)

    def check_stopped(self) -> None:
        """Go on only if the upload was not given up.

        Raises:
            StoppedError: it was.
        """
        if self._stopped.is_set():
            raise StoppedError

    def _spans_by_plan(self, options: CutOptions, buffer: memoryview) -> tuple[ContentScanner, list[ChunkBounds]]:
        self._scanner = scanner = self._new_scanner(options)
        cutter = ChunkCutter(
            plan=plan_for(options),
            sink=NoSink(),
            max_chunks=self._job.max_chunks,
            on_too_many=too_many_chunks(
                options=options, max_chunks=self._job.max_chunks, expected_bytes=self.size_bytes
            ),
        )
        for data in read_blocks(self.fd, buffer):
            self.check_stopped()
            scanned = scanner.feed(data)
            if scanned is not None:
                cutter.feed(scanned, None)
        self._check_transcoder(scanner)
        scanned = scanner.finish()
        if scanned is not None:
            cutter.feed(scanned, None)
        cutter.finish(scanner.end)
        return scanner, join_blank_tail(cutter.spans)

    def _spans_by_count(self, options: CutOptions, buffer: memoryview) -> tuple[ContentScanner, list[ChunkBounds]]:
        scanner = self._count_rows(options, buffer)
        header, end = scanner.header, scanner.end
        places = [RowBoundary(len(header.prefix), 0)]
        for row in spread(rows=end.rows, chunks=options.chunk_size):
            self.check_stopped()
            places.append(self._index.end_of_row(row, spool_fd=self.fd, buffer=buffer, dialect=header.dialect))
        return scanner, [ChunkBounds(start, stop) for start, stop in zip(places, [*places[1:], end], strict=True)]

    def _count_rows(self, options: CutOptions, buffer: memoryview) -> ContentScanner:
        """Finish the scan that went on while the file came in, or make one where there was none."""
        scanner = self._scanner
        if scanner is None or self._scanned_by != options:
            self._index = RowIndex()
            self._scanner = scanner = self._new_scanner(options)
            for data in read_blocks(self.fd, buffer):
                self.check_stopped()
                self.scan(data, options)
        self._check_transcoder(scanner)
        scanned = scanner.finish()
        if scanned is not None:
            self._index.feed(scanned)
        return scanner

    def _check_transcoder(self, scanner: ContentScanner) -> None:
        """Raise what the transcoder has met, with its row; a violation that lies before it comes first."""
        try:
            self._transcoder.check()
        except InvalidCsvError:
            scanner.scan_held_back()
            self._transcoder.check()
            raise

    def _new_scanner(self, options: CutOptions) -> ContentScanner:
        return ContentScanner(options=options, transcoded_from=self._transcoder.transcoded_from)

    def _build_all(self, spans: list[ChunkBounds], prefix: bytes) -> list[str]:
        paths = [self._job.chunk_path(number) for number in range(1, len(spans) + 1)]
        with ThreadPoolExecutor(max_workers=_BUILDERS, thread_name_prefix="build") as pool:
            futures = [pool.submit(self._build, path, span, prefix) for path, span in zip(paths, spans, strict=True)]
            try:
                return [future.result() for future in futures]
            except BaseException:
                self._stopped.set()
                raise

    def _build(self, path: Path, span: ChunkBounds, prefix: bytes) -> str:
        self.check_stopped()
        self._job.make_room(len(prefix) + span.end.offset - span.start.offset)
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
        try:
            write_all(fd, prefix)
            copy_range(self.fd, fd, start=span.start.offset, end=span.end.offset)
            os.fsync(fd)
        finally:
            os.close(fd)
        return hash_file(path)


class SpooledChunker:
    """Takes blocks into a spool file, and has made chunk files of them when :meth:`finish` returns.

    ``options`` given (by count) are used to scan while the file comes in; else the scan is a pass of its own.
    """

    def __init__(
        self, *, options: CutOptions | None, job: ChunkingJob, on_failure: Callable[[BaseException], None]
    ) -> None:
        self._options = options
        self._job = job
        self._transcoder = SourceTranscoder(current_row=lambda: self._cutter.current_row)
        self._stopped = threading.Event()
        self._cutter = SpoolFile(job=job, transcoder=self._transcoder, stopped=self._stopped)
        self._content = hashlib.sha256()
        self._worker = Worker(name="spool", on_failure=on_failure)
        self._digest_worker = Worker(name="digest-content", on_failure=on_failure)
        self._cutting: asyncio.Task[CutResult] | None = None

    def submit(self, block: Block) -> None:
        """Keep ``block`` when its turn comes, and release it."""
        self._worker.submit(lambda: self._take(block))

    async def finish(self, *, options: CutOptions, check: Callable[[], None]) -> CutResult:
        """Cut the spool and wait until all chunks are durable and hashed.

        Raises:
            InvalidCsvError: the content is no CSV.
            HeaderRepeatedError: the headers of all chunks are out of proportion to the file.
            BaseException: what ``check`` raises: the failure of a thread.
        """
        self._worker.submit(self._take_rest)
        await self._worker.join()
        await self._digest_worker.join()
        check()
        content_sha256 = self._content.hexdigest()
        cut = partial(self._cutter.cut, options, content_sha256=content_sha256)
        self._cutting = asyncio.create_task(on_own_thread(cut, name="cut"))
        return await asyncio.shield(self._cutting)

    async def stop(self) -> None:
        """Give up; when this returns no thread touches a file any more."""
        self._stopped.set()
        for worker in (self._worker, self._digest_worker):
            worker.drop()
            await worker.join()
        if self._cutting is not None:
            await asyncio.gather(self._cutting, return_exceptions=True)
        await asyncio.to_thread(self._cutter.close)  # frees the blocks of an unlinked spool

    def _take(self, block: Block) -> None:
        with self._scan_first():
            self._keep(self._transcoder.feed(block.content), block)
        block.release()

    def _take_rest(self) -> None:
        with self._scan_first():
            self._keep(self._transcoder.finish(), None)

    @contextmanager
    def _scan_first(self) -> Iterator[None]:
        """Put the transcoder's error off where nothing is scanned yet: a violation that lies before it comes first.

        The transcoder raises it for all that follows, which is not kept, and again when the cutter asks it.
        """
        try:
            yield
        except InvalidCsvError:
            if self._options is not None:
                self._cutter.scan_held_back()
                self._transcoder.check()
                raise

    def _keep(self, data: memoryview, block: Block | None) -> None:
        if not data:
            return
        if block is not None:
            block.hold()
        self._digest_worker.submit(lambda: self._hash(data, block))
        self._job.make_room(len(data))
        write_all(self._cutter.fd, data)
        if self._options is not None:
            self._cutter.scan(data, self._options)

    def _hash(self, data: memoryview, block: Block | None) -> None:
        self._content.update(data)
        if block is not None:
            block.release()
