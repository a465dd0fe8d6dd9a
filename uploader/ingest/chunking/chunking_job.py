"""What both chunkers share: the upload's names, limits and log, and the description of its chunks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from contracts.names import chunk_filename
from uploader.disk.directories import fsync_directory
from uploader.domain.csv_header_limits import check_repetition
from uploader.domain.cutting import CutChunk, CutResult
from uploader.ingest.chunking.chunk_cutter import ChunkBounds
from uploader.ingest.content.content_scanner import ContentScanner
from uploader.ingest.content.source_transcoder import SourceTranscoder
from uploader.ingest.content.source_unpacker import SourceUnpacker


@dataclass(kw_only=True)
class ChunkingJob:
    """One upload to be cut. ``dataset_name`` may come late, in form fields after the file."""

    directory: Path
    stamp: str
    max_chunks: int
    expected_bytes: int | None
    log: logging.LoggerAdapter[logging.Logger]
    dataset_name: str = ""
    source_filename: str = ""
    source_bytes: int = 0
    unpacker: SourceUnpacker = field(default_factory=SourceUnpacker)
    check_space: Callable[[int], None] = lambda _: None
    """Called with a number of bytes before they are written, in any thread; raises if the disk has no room for them."""

    @property
    def expected_plain_bytes(self) -> int | None:
        """Size of the body, if it is known and not of a compressed file."""
        return self.expected_bytes if self.unpacker.compression is None else None

    @property
    def plain_bytes(self) -> int:
        """Size of the file so far, unpacked if it is compressed."""
        return self.source_bytes if self.unpacker.unpacked_bytes is None else self.unpacker.unpacked_bytes

    def chunk_path(self, chunk_id: int) -> Path:
        """Return the path of chunk ``chunk_id`` (from 1)."""
        return self.directory / chunk_filename(self.dataset_name, chunk_id, self.stamp)

    def check_chunks(self, scanner: ContentScanner, chunks: int, *, sent_bytes: int) -> None:
        """Check that ``chunks`` headers are in proportion to a file of ``sent_bytes``.

        Raises:
            HeaderRepeatedError: they are not.
        """
        check_repetition(
            header_bytes=len(scanner.header.prefix),
            json_bytes=scanner.header_json_bytes,
            chunks=chunks,
            sent_bytes=sent_bytes,
        )

    def result(
        self,
        *,
        scanner: ContentScanner,
        transcoder: SourceTranscoder,
        content_sha256: str,
        bounds: list[ChunkBounds],
        sha256: list[str],
    ) -> CutResult:
        """Describe the chunks, log each one, and make their names durable.

        Raises:
            HeaderRepeatedError: the headers of all chunks are out of proportion to the file.
            OSError: a file differs from what was written: another program has changed the directory.
        """
        self.check_chunks(scanner, len(bounds), sent_bytes=self.plain_bytes)
        header_bytes = len(scanner.header.prefix)
        chunks = [
            CutChunk(
                chunk_id=number,
                filename=self.chunk_path(number).name,
                size_bytes=header_bytes + chunk.end.offset - chunk.start.offset,
                sha256=digest,
                row_start=chunk.start.rows + 1,
                row_end=chunk.end.rows,
                byte_start=chunk.start.offset,
                byte_end=chunk.end.offset,
            )
            for number, (chunk, digest) in enumerate(zip(bounds, sha256, strict=True), start=1)
        ]
        for chunk in chunks:
            self._check_file(chunk)
        fsync_directory(self.directory)
        for chunk in chunks:
            self.log.info(
                "Chunk stored",
                extra={
                    "chunk_id": chunk.chunk_id,
                    "total_chunks": len(chunks),
                    "path": chunk.filename,
                    "size_bytes": chunk.size_bytes,
                },
            )
        return CutResult(
            source_filename=self.source_filename,
            source_bytes=self.source_bytes,
            source_sha256=self.unpacker.source_sha256 or transcoder.source_sha256 or content_sha256,
            compression=self.unpacker.compression,
            content_bytes=scanner.end.offset,
            content_sha256=content_sha256,
            encoding=scanner.encoding,
            transcoded_from=transcoder.transcoded_from,
            delimiter=scanner.header.dialect.delimiter.decode("ascii"),
            headers=scanner.headers,
            header_bytes=header_bytes,
            row_count=scanner.end.rows,
            deviations=scanner.deviations,
            chunks=chunks,
        )

    def _check_file(self, chunk: CutChunk) -> None:
        size_bytes = (self.directory / chunk.filename).stat().st_size
        if size_bytes != chunk.size_bytes:
            raise OSError(f"{chunk.filename} has {size_bytes} bytes on disk instead of {chunk.size_bytes}")
