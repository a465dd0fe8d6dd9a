"""The whole content in one file, from which the chunks are copied inside the kernel (``copy_file_range``)."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from contracts.errors import StoppedError
from uploader.domain.cutting import ChunkType, CutOptions, CutResult
from uploader.errors import InvalidCsvError
from uploader.ingest.chunking.chunk_cutter import ChunkBounds, ChunkCutter, NullSink, join_blank_tail, too_many_chunks
from uploader.ingest.chunking.chunk_plan import choose_plan, spread_rows
from uploader.ingest.chunking.chunking_job import ChunkingJob
from uploader.ingest.chunking.row_index import RowIndex
from uploader.ingest.content.content_scanner import ContentScanner
from uploader.ingest.content.row_boundary import RowBoundary
from uploader.ingest.content.source_transcoder import SourceTranscoder
from uploader.ingest.pipeline.blocks import DEFAULT_BLOCK_BYTES
from uploader.ingest.pipeline.file_io import FILE_MODE, copy_range, hash_file, read_blocks, write_all

SPOOL_FILE = ".spool"
_BUILDERS = 2


class SpoolFile:
    """Content in one file, to be cut. All calls block; soon after ``stopped`` is set they raise StoppedError."""

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
        """Count the rows of the next block while it arrives, so that this needs no extra pass."""
        if self._scanner is None:
            self._scanner = self._new_scanner(options)
            self._scanned_by = options
        scanned = self._scanner.feed(data)
        if scanned is not None:
            self._index.feed(scanned)

    def scan_pending(self) -> None:
        """Scan the rows held back to detect the delimiter: see :meth:`ContentScanner.scan_pending`."""
        if self._scanner is not None:
            self._scanner.scan_pending()

    @property
    def current_row(self) -> int:
        """The row up to which the file was scanned; 0 is the header."""
        return 0 if self._scanner is None else self._scanner.current_row

    @property
    def size_bytes(self) -> int:
        """Size of the file."""
        return os.fstat(self.fd).st_size

    def cut(self, options: CutOptions, *, content_sha256: str) -> CutResult:
        """Find the bounds of the chunks, build the chunks, and remove the spool file.

        Raises:
            InvalidCsvError: the content is not valid CSV.
            HeaderRepeatedError: the headers of all chunks are out of proportion to the file.
            StoppedError: the upload was abandoned.
        """
        self._job.check_space(self.size_bytes)
        buffer = memoryview(bytearray(DEFAULT_BLOCK_BYTES))
        if options.chunk_type is ChunkType.COUNT:
            scanner, bounds = self._bounds_by_count(options, buffer)
        else:
            scanner, bounds = self._bounds_by_plan(options, buffer)
        self._job.check_chunks(scanner, len(bounds), sent_bytes=self._job.source_bytes)
        header_bytes = len(scanner.header.prefix)
        self._job.check_space(scanner.end.offset + header_bytes * (len(bounds) - 1))
        sha256 = self._build_all(bounds, scanner.header.prefix)
        self._path.unlink()
        return self._job.result(
            scanner=scanner, transcoder=self._transcoder, content_sha256=content_sha256, bounds=bounds, sha256=sha256
        )

    def close(self) -> None:
        """Close the spool file."""
        self._scanner = None  # as in StreamingChunker.stop
        os.close(self.fd)

    def check_stopped(self) -> None:
        """Return if the upload is still wanted.

        Raises:
            StoppedError: it was abandoned.
        """
        if self._stopped.is_set():
            raise StoppedError

    def _bounds_by_plan(self, options: CutOptions, buffer: memoryview) -> tuple[ContentScanner, list[ChunkBounds]]:
        self._scanner = scanner = self._new_scanner(options)
        cutter = ChunkCutter(
            plan=choose_plan(options),
            sink=NullSink(),
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
        return scanner, join_blank_tail(cutter.bounds)

    def _bounds_by_count(self, options: CutOptions, buffer: memoryview) -> tuple[ContentScanner, list[ChunkBounds]]:
        scanner = self._count_rows(options, buffer)
        header, end = scanner.header, scanner.end
        starts = [RowBoundary(len(header.prefix), 0)]
        for row in spread_rows(rows=end.rows, chunks=options.chunk_size):
            self.check_stopped()
            starts.append(self._index.end_of_row(row, spool_fd=self.fd, buffer=buffer, dialect=header.dialect))
        return scanner, [ChunkBounds(start, stop) for start, stop in zip(starts, [*starts[1:], end], strict=True)]

    def _count_rows(self, options: CutOptions, buffer: memoryview) -> ContentScanner:
        """Finish the scan that ran while the file arrived, or scan the file now if there was none."""
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
        """Raise the transcoder's error, if any, with its row; an earlier violation takes precedence."""
        try:
            self._transcoder.check()
        except InvalidCsvError:
            scanner.scan_pending()
            self._transcoder.check()
            raise

    def _new_scanner(self, options: CutOptions) -> ContentScanner:
        return ContentScanner(options=options, transcoded_from=self._transcoder.transcoded_from)

    def _build_all(self, bounds: list[ChunkBounds], prefix: bytes) -> list[str]:
        paths = [self._job.chunk_path(number) for number in range(1, len(bounds) + 1)]
        with ThreadPoolExecutor(max_workers=_BUILDERS, thread_name_prefix="build") as pool:
            futures = [pool.submit(self._build, path, chunk, prefix) for path, chunk in zip(paths, bounds, strict=True)]
            try:
                return [future.result() for future in futures]
            except BaseException:
                self._stopped.set()
                raise

    def _build(self, path: Path, chunk: ChunkBounds, prefix: bytes) -> str:
        self.check_stopped()
        self._job.check_space(len(prefix) + chunk.end.offset - chunk.start.offset)
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
        try:
            write_all(fd, prefix)
            copy_range(self.fd, fd, start=chunk.start.offset, end=chunk.end.offset)
            os.fsync(fd)
        finally:
            os.close(fd)
        return hash_file(path)
