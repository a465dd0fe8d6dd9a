"""The whole content in one file, from which the chunks are copied."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from uploader.domain.cutting import ChunkType, CutOptions, CutResult
from uploader.errors import InvalidCsvError
from uploader.ingest.chunking.chunk_builder import ChunkBuilder
from uploader.ingest.chunking.chunk_cutter import ChunkBounds, ChunkCutter, NullSink, join_blank_tail, too_many_chunks
from uploader.ingest.chunking.chunk_plan import choose_plan, spread_rows
from uploader.ingest.chunking.chunking_job import ChunkingJob
from uploader.ingest.chunking.row_index import RowIndex
from uploader.ingest.content.content_scanner import ContentScanner
from uploader.ingest.content.row_boundary import RowBoundary
from uploader.ingest.content.source_transcoder import SourceTranscoder
from uploader.ingest.pipeline.blocks import DEFAULT_BLOCK_BYTES
from uploader.ingest.pipeline.file_io import FILE_MODE, read_blocks

SPOOL_FILE = ".spool"


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
        self._builder = ChunkBuilder(job=job, content_fd=self.fd, stopped=stopped)

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
    def has_faults(self) -> bool:
        """Whether a violation was found while the file arrived. Then no more of it needs to be kept."""
        return self._scanner is not None and self._scanner.has_faults

    def raise_faults(self) -> None:
        """Return if no violation was found while the file arrived.

        Raises:
            InvalidCsvError: all that were found.
        """
        if self._scanner is not None:
            self._scanner.raise_faults()

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
        self.raise_faults()  # whatever the options are now: the file was not kept any more
        self._job.check_space(self.size_bytes)
        buffer = memoryview(bytearray(DEFAULT_BLOCK_BYTES))
        if options.chunk_type is ChunkType.COUNT:
            scanner, bounds = self._bounds_by_count(options, buffer)
        else:
            scanner, bounds = self._bounds_by_plan(options, buffer)
        self._job.check_chunks(scanner, len(bounds), sent_bytes=self._job.plain_bytes)
        header_bytes = len(scanner.header.prefix)
        self._job.check_space(scanner.end.offset + header_bytes * (len(bounds) - 1))
        sha256 = self._builder.build(bounds, scanner.header.prefix)
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
        self._builder.check_stopped()

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
        return scanner, bounds_by_count(
            options.chunk_size,
            scanner=scanner,
            index=self._index,
            content_fd=self.fd,
            buffer=buffer,
            check_stopped=self.check_stopped,
        )

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


def bounds_by_count(
    chunks: int,
    *,
    scanner: ContentScanner,
    index: RowIndex,
    content_fd: int,
    buffer: memoryview,
    check_stopped: Callable[[], None],
) -> list[ChunkBounds]:
    """Return the bounds of at most ``chunks`` chunks, whose numbers of rows differ by at most one (blocks).

    Args:
        chunks: how many are wanted.
        scanner: has scanned the whole content.
        index: of the content.
        content_fd: the file with the content.
        buffer: for reading from it.
        check_stopped: called for each chunk; raises if the upload is no longer wanted.
    """
    header, end = scanner.header, scanner.end
    starts = [RowBoundary(len(header.prefix), 0)]
    for row in spread_rows(rows=end.rows, chunks=chunks):
        check_stopped()
        starts.append(index.end_of_row(row, spool_fd=content_fd, buffer=buffer, dialect=header.dialect))
    return [ChunkBounds(start, stop) for start, stop in zip(starts, [*starts[1:], end], strict=True)]
