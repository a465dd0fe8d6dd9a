"""The way of an upload whose fields are known before its file: cut while it is received, each byte written once."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from uploader.domain.cutting import CutOptions, CutResult
from uploader.errors import InvalidCsvError
from uploader.ingest.chunking.blocks import Block, holding
from uploader.ingest.chunking.content import ContentScanner, SourceTranscoder
from uploader.ingest.chunking.cutter import ChunkCutter, has_blank_tail, join_blank_tail, too_many_chunks
from uploader.ingest.chunking.digest import ChunkDigests
from uploader.ingest.chunking.files import GrowingFile, Syncer, copy_range, hash_file
from uploader.ingest.chunking.job import ChunkingJob
from uploader.ingest.chunking.plan import plan_for
from uploader.ingest.chunking.spooled import SpoolFile
from uploader.ingest.chunking.worker import Worker, on_own_thread


class ChunkWriter:
    """Has the bodies of chunks written to their files, the prefix in front, hashed and synced.

    The calls only queue: ``worker`` does the writing.
    """

    def __init__(self, *, job: ChunkingJob, worker: Worker, digests: ChunkDigests, syncer: Syncer) -> None:
        self._job = job
        self._worker = worker
        self._digests = digests
        self._syncer = syncer
        self._file: GrowingFile | None = None
        self.paths: list[Path] = []
        self.scanner: ContentScanner | None = None
        """What found the header; the chunks start with it."""

    def begin(self) -> None:
        """Make the next file.

        Raises:
            HeaderRepeatedError: it would repeat the header more often than the size of the file allows.
        """
        assert self.scanner is not None  # noqa: S101  set before the first chunk
        if self._job.expected_bytes is not None:  # else the size is known when all has come, see ChunkingJob.result
            self._job.check_chunks(self.scanner, len(self.paths) + 1, sent_bytes=self._job.expected_bytes)
        path = self._job.chunk_path(len(self.paths) + 1)
        self.paths.append(path)
        prefix = self.scanner.header.prefix
        self._worker.submit(partial(self._open, path, prefix))
        self._digests.begin(prefix)

    def write(self, data: memoryview, block: Block | None) -> None:
        """Append ``data``; ``block`` is held until it has been written and hashed."""
        self._worker.submit(holding(block, partial(self._append, data)))
        self._digests.update(data, block)

    def end(self) -> None:
        """Hand the file on to be synced."""
        self._worker.submit(self._close)
        self._digests.end()
        self._job.log.debug("Chunk %d: %s cut", len(self.paths), self.paths[-1].name)

    def abandon(self) -> None:
        """Close what is open; the worker must have ended."""
        if self._file is not None:
            self._file.abandon()

    def _open(self, path: Path, prefix: bytes) -> None:
        self._job.make_room(len(prefix))
        self._file = GrowingFile(path, syncer=self._syncer)
        self._file.write(prefix)

    def _append(self, data: memoryview) -> None:
        assert self._file is not None  # noqa: S101  begin comes first
        self._job.make_room(len(data))
        self._file.write(data)

    def _close(self) -> None:
        assert self._file is not None  # noqa: S101  begin comes first
        self._file.close()


class StreamingChunker:
    """Takes blocks, and has made chunk files of them when :meth:`finish` returns.

    One thread scans, one writes and hashes the chunks, one hashes the content, one syncs; the event loop only hands
    blocks over. (Scanning and writing on one thread was the longest way through: 350 MB/s instead of 390.)
    """

    def __init__(self, *, options: CutOptions, job: ChunkingJob, on_failure: Callable[[BaseException], None]) -> None:
        self.options = options
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
            plan=plan_for(options),
            sink=self._writer,
            max_chunks=job.max_chunks,
            on_too_many=too_many_chunks(options=options, max_chunks=job.max_chunks, expected_bytes=job.expected_bytes),
        )
        self._worker = Worker(name="scan", on_failure=on_failure)
        self._working: asyncio.Task[CutResult] | None = None
        self._stopped = threading.Event()

    def submit(self, block: Block) -> None:
        """Cut ``block`` when its turn comes, and release it."""
        self._worker.submit(lambda: self._take(block))

    async def finish(self, *, check: Callable[[], None]) -> CutResult:
        """Cut what is left and wait until all is hashed and durable.

        Raises:
            BaseException: what ``check`` raises: the failure of a thread.
        """
        self._worker.submit(self._finish)
        await self._worker.join()
        content_sha256 = await self._digests.finish()
        await self._syncer.finish()
        check()
        return await self._last_work(partial(self._result, content_sha256))

    async def cut_again(self, options: CutOptions, result: CutResult) -> CutResult:
        """Cut anew what :meth:`finish` has cut, as a field that came behind the file wants it otherwise.

        Raises:
            InvalidCsvError: the content is no CSV by these options.
        """
        return await self._last_work(partial(self._cut_again, options, result))

    async def stop(self) -> None:
        """Give up; when this returns no thread touches a file any more."""
        self._stopped.set()
        self._worker.drop()
        await self._worker.join()
        await self._digests.drop()
        await self._syncer.finish()
        await asyncio.to_thread(self._writer.abandon)
        # It has large buffers, and the transcoder and this know each other: see BlockPool.close.
        self._scanner = self._writer.scanner = None
        if self._working is not None:
            await asyncio.gather(self._working, return_exceptions=True)

    async def _last_work(self, work: Callable[[], CutResult]) -> CutResult:
        self._working = asyncio.create_task(on_own_thread(work, name="cut"))
        return await asyncio.shield(self._working)

    def _take(self, block: Block) -> None:
        data = self._transcode(lambda: self._transcoder.feed(block.content))
        if data:
            self._cut(data, block)
        block.release()

    def _transcode(self, step: Callable[[], memoryview]) -> memoryview:
        """Return what the transcoder gives; a violation that lies before its own comes first."""
        try:
            return step()
        except InvalidCsvError:
            if self._scanner is not None:
                self._scanner.scan_held_back()
                self._transcoder.check()
            raise

    def _cut(self, data: memoryview, block: Block | None) -> None:
        if self._scanner is None:
            self._scanner = ContentScanner(options=self.options, transcoded_from=self._transcoder.transcoded_from)
        scanned = self._scanner.feed(data)
        if scanned is not None:
            self._writer.scanner = self._scanner
            self._cutter.feed(scanned, block)

    def _finish(self) -> None:
        self._cut(self._transcode(self._transcoder.finish), None)
        assert self._scanner is not None  # noqa: S101  _cut has made it
        scanned = self._scanner.finish()
        self._writer.scanner = self._scanner
        if scanned is not None:
            self._cutter.feed(scanned, None)
        self._cutter.finish(self._scanner.end)

    def _result(self, content_sha256: str) -> CutResult:
        assert self._scanner is not None  # noqa: S101  _finish has made it
        sha256 = self._digests.chunk_sha256
        if has_blank_tail(self._cutter.spans):
            sha256 = [*sha256[:-2], self._append_blank_tail(len(self._scanner.header.prefix))]
        return self._job.result(
            scanner=self._scanner,
            transcoder=self._transcoder,
            content_sha256=content_sha256,
            spans=join_blank_tail(self._cutter.spans),
            sha256=sha256,
        )

    def _append_blank_tail(self, header_bytes: int) -> str:
        """Move the blank lines of the last file to the one before it."""
        last, tail = self._writer.paths[-2:]
        with tail.open("rb") as source, last.open("r+b") as target:
            size_bytes = os.fstat(source.fileno()).st_size
            os.lseek(target.fileno(), 0, os.SEEK_END)
            copy_range(source.fileno(), target.fileno(), start=header_bytes, end=size_bytes)
            os.fsync(target.fileno())
        tail.unlink()
        return hash_file(last)

    def _cut_again(self, options: CutOptions, result: CutResult) -> CutResult:
        """Put the content together again out of the chunk files, and cut that."""
        with closing(SpoolFile(job=self._job, transcoder=self._transcoder, stopped=self._stopped)) as cutter:
            self._job.make_room(result.content_bytes)
            with (self._job.directory / result.chunks[0].filename).open("rb") as first:
                copy_range(first.fileno(), cutter.fd, start=0, end=result.header_bytes)
            for chunk in result.chunks:
                cutter.check_stopped()
                path = self._job.directory / chunk.filename
                with path.open("rb") as file:
                    copy_range(file.fileno(), cutter.fd, start=result.header_bytes, end=chunk.size_bytes)
                path.unlink()
            return cutter.cut(options, content_sha256=result.content_sha256)
