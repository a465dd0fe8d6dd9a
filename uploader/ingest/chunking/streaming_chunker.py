"""The chunker for uploads whose fields precede the file: cut while they arrive, every byte written once."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial

from uploader.domain.cutting import CutOptions, CutResult
from uploader.errors import InvalidCsvError
from uploader.ingest.chunking.chunk_cutter import ChunkCutter, has_blank_tail, join_blank_tail, too_many_chunks
from uploader.ingest.chunking.chunk_plan import choose_plan
from uploader.ingest.chunking.chunk_writer import ChunkWriter
from uploader.ingest.chunking.chunking_job import ChunkingJob
from uploader.ingest.chunking.spool_file import SpoolFile
from uploader.ingest.content.content_scanner import ContentScanner
from uploader.ingest.content.csv_errors import faults_first
from uploader.ingest.content.row_boundary import RowBoundary
from uploader.ingest.content.source_transcoder import SourceTranscoder
from uploader.ingest.pipeline.blocks import Block, Held
from uploader.ingest.pipeline.chunk_digests import ChunkDigests
from uploader.ingest.pipeline.file_io import copy_range, hash_file
from uploader.ingest.pipeline.syncer import Syncer
from uploader.ingest.pipeline.worker import Worker, run_in_own_thread


class StreamingChunker:
    """Cuts blocks into chunk files while they arrive (see :class:`~.chunker.Chunker`).

    One thread scans, one writes and hashes the chunks, one hashes the content, one syncs; the event loop only hands
    over blocks. (With scanning and writing in one thread, that thread was the bottleneck: 350 MB/s instead of 390.)
    """

    def __init__(self, *, options: CutOptions, job: ChunkingJob, on_failure: Callable[[BaseException], None]) -> None:
        self._options = options
        self._job = job
        self._transcoder = SourceTranscoder(
            current_row=lambda: 0 if self._scanner is None else self._scanner.current_row
        )
        self._scanner: ContentScanner | None = None
        chunk_worker = Worker(name="chunks", on_failure=on_failure)
        self._digests = ChunkDigests(chunk_worker=chunk_worker, on_failure=on_failure)
        self._syncer = Syncer(on_failure=on_failure)
        self._writer = ChunkWriter(job=job, worker=chunk_worker, digests=self._digests, syncer=self._syncer)
        self._cutter = ChunkCutter(
            plan=choose_plan(options),
            sink=self._writer,
            max_chunks=job.max_chunks,
            on_too_many=self._too_many_chunks,
        )
        self._worker = Worker(name="scan", on_failure=on_failure)
        self._working: asyncio.Task[CutResult] | None = None
        self._stopped = threading.Event()

    def submit(self, block: Block) -> None:
        """Queue ``block`` to be cut; it is released afterwards."""
        self._worker.submit(lambda: self._cut_block(block))

    async def finish(self, *, options: CutOptions, check: Callable[[], None]) -> CutResult:
        """Cut the rest; if ``options`` are not those it was cut by, cut all of it again.

        See :meth:`~.chunker.Chunker.finish`.
        """
        self._worker.submit(self._cut_rest)
        await self._worker.join()
        content_sha256 = await self._digests.finish()
        await self._syncer.finish()
        check()
        result = await self._run_last(partial(self._result, content_sha256))
        if options == self._options:
            return result
        self._job.log.info("Cutting the file again because a field after it changes the options")
        return await self._run_last(partial(self._cut_again, options, result))

    async def stop(self) -> None:
        """Abandon unfinished work; when this returns, no thread uses a file any more."""
        self._stopped.set()
        self._worker.drop()
        await self._worker.join()
        await self._digests.drop()
        await self._syncer.finish()
        await asyncio.to_thread(self._writer.abandon)
        # It has large buffers, and the transcoder and this object refer to each other: see BlockPool.close.
        self._scanner = self._writer.scanner = None
        if self._working is not None:
            await asyncio.gather(self._working, return_exceptions=True)

    async def _run_last(self, work: Callable[[], CutResult]) -> CutResult:
        self._working = asyncio.create_task(run_in_own_thread(work, name="cut"))
        return await asyncio.shield(self._working)

    def _cut_block(self, block: Block) -> None:
        with faults_first(self._raise_faults):
            for piece, held in self._job.unpacker.feed(block):
                data = self._transcode(partial(self._transcoder.feed, piece))
                if data:
                    self._cut(data, held)
                held.release()

    def _raise_faults(self) -> None:
        if self._scanner is not None:
            self._scanner.raise_faults()

    def _transcode(self, step: Callable[[], memoryview]) -> memoryview:
        """Return the transcoder's output; a violation before the transcoder's own takes precedence."""
        try:
            return step()
        except InvalidCsvError:
            if self._scanner is not None:
                self._scanner.scan_pending()
                self._transcoder.check()
            raise

    def _cut(self, data: memoryview, held: Held | None) -> None:
        if self._scanner is None:
            self._scanner = ContentScanner(options=self._options, transcoded_from=self._transcoder.transcoded_from)
        scanned = self._scanner.feed(data)
        if scanned is not None:
            self._writer.scanner = self._scanner
            self._cutter.feed(scanned, held)

    def _too_many_chunks(self, reached: RowBoundary) -> Exception:
        expected_bytes = self._job.expected_plain_bytes  # known with the first block
        error = too_many_chunks(options=self._options, max_chunks=self._job.max_chunks, expected_bytes=expected_bytes)
        return error(reached)

    def _cut_rest(self) -> None:
        with faults_first(self._raise_faults):
            self._job.unpacker.finish()
        self._cut(self._transcode(self._transcoder.finish), None)
        assert self._scanner is not None  # noqa: S101  _cut has made it
        scanned = self._scanner.finish()
        self._writer.scanner = self._scanner
        if scanned is not None:
            self._cutter.feed(scanned, None)
        self._cutter.finish(self._scanner.end)

    def _result(self, content_sha256: str) -> CutResult:
        assert self._scanner is not None  # noqa: S101  _cut_rest has made it
        sha256 = self._digests.chunk_sha256
        if has_blank_tail(self._cutter.bounds):
            sha256 = [*sha256[:-2], self._append_blank_tail(len(self._scanner.header.prefix))]
        return self._job.result(
            scanner=self._scanner,
            transcoder=self._transcoder,
            content_sha256=content_sha256,
            bounds=join_blank_tail(self._cutter.bounds),
            sha256=sha256,
        )

    def _append_blank_tail(self, header_bytes: int) -> str:
        """Move the blank lines of the last file to the file before it."""
        last, tail = self._writer.paths[-2:]
        with tail.open("rb") as source, last.open("r+b") as target:
            size_bytes = os.fstat(source.fileno()).st_size
            os.lseek(target.fileno(), 0, os.SEEK_END)
            copy_range(source.fileno(), target.fileno(), start=header_bytes, end=size_bytes)
            os.fsync(target.fileno())
        tail.unlink()
        return hash_file(last)

    def _cut_again(self, options: CutOptions, result: CutResult) -> CutResult:
        """Rebuild the content from the chunk files, and cut it by ``options``."""
        with closing(SpoolFile(job=self._job, transcoder=self._transcoder, stopped=self._stopped)) as spool:
            self._job.check_space(result.content_bytes)
            with (self._job.directory / result.chunks[0].filename).open("rb") as first:
                copy_range(first.fileno(), spool.fd, start=0, end=result.header_bytes)
            for chunk in result.chunks:
                spool.check_stopped()
                path = self._job.directory / chunk.filename
                with path.open("rb") as file:
                    copy_range(file.fileno(), spool.fd, start=result.header_bytes, end=chunk.size_bytes)
                path.unlink()
            return spool.cut(options, content_sha256=result.content_sha256)
