"""Chunk files written by a worker: the header and the rows of each chunk, hashed and synced."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from uploader.ingest.chunking.chunking_job import ChunkingJob
from uploader.ingest.content.content_scanner import ContentScanner
from uploader.ingest.pipeline.blocks import Held, hold_during
from uploader.ingest.pipeline.chunk_digests import ChunkDigests
from uploader.ingest.pipeline.syncer import GrowingFile, Syncer
from uploader.ingest.pipeline.worker import Worker


class ChunkWriter:
    """Writes the bodies of chunks to their files after the prefix, and has them hashed and synced.

    The calls only queue jobs for ``worker``.
    """

    def __init__(self, *, job: ChunkingJob, worker: Worker, digests: ChunkDigests, syncer: Syncer) -> None:
        self._job = job
        self._worker = worker
        self._digests = digests
        self._syncer = syncer
        self._file: GrowingFile | None = None
        self.paths: list[Path] = []
        self.scanner: ContentScanner | None = None
        """Has the header, which every chunk starts with."""

    def begin(self) -> None:
        """Create the next file.

        Raises:
            HeaderRepeatedError: it would repeat the header more often than the size of the file allows.
        """
        assert self.scanner is not None  # noqa: S101  set before the first chunk
        expected_bytes = self._job.expected_plain_bytes
        if expected_bytes is not None:  # else the size is known at the end, see ChunkingJob.result
            self._job.check_chunks(self.scanner, len(self.paths) + 1, sent_bytes=expected_bytes)
        path = self._job.chunk_path(len(self.paths) + 1)
        self.paths.append(path)
        prefix = self.scanner.header.prefix
        self._worker.submit(partial(self._open, path, prefix))
        self._digests.begin(prefix)

    def write(self, data: memoryview, block: Held | None) -> None:
        """Append ``data``; ``block`` is held until it has been written and hashed."""
        self._worker.submit(hold_during(block, partial(self._append, data)))
        self._digests.update(data, block)

    def end(self) -> None:
        """Finish the file; it is synced in the background."""
        self._worker.submit(self._close)
        self._digests.end()
        self._job.log.debug("Chunk cut", extra={"chunk_id": len(self.paths), "path": str(self.paths[-1])})

    def abandon(self) -> None:
        """Close the open file, if any; the worker must have ended."""
        if self._file is not None:
            self._file.abandon()

    def _open(self, path: Path, prefix: bytes) -> None:
        self._job.check_space(len(prefix))
        self._file = GrowingFile(path, syncer=self._syncer)
        self._file.write(prefix)

    def _append(self, data: memoryview) -> None:
        assert self._file is not None  # noqa: S101  begin comes first
        self._job.check_space(len(data))
        self._file.write(data)

    def _close(self) -> None:
        assert self._file is not None  # noqa: S101  begin comes first
        self._file.close()
