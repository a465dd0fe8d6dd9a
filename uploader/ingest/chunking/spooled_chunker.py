"""The chunker for uploads that cannot be cut while they arrive: kept in one file, then cut.

It is used if the file precedes ``dataset_name``, and for ``chunk_type=count``, which needs the number of rows.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from uploader.domain.cutting import CutOptions, CutResult
from uploader.errors import InvalidCsvError
from uploader.ingest.chunking.chunking_job import ChunkingJob
from uploader.ingest.chunking.spool_file import SpoolFile
from uploader.ingest.content.csv_errors import faults_first
from uploader.ingest.content.source_transcoder import SourceTranscoder
from uploader.ingest.pipeline.blocks import Block, Held
from uploader.ingest.pipeline.file_io import write_all
from uploader.ingest.pipeline.worker import Worker, run_in_own_thread


class SpooledChunker:
    """Writes blocks to a spool file and cuts it in :meth:`finish` (see :class:`~.chunker.Chunker`).

    With ``options`` (chunks by count), rows are counted while the file arrives; without, in a pass of its own.
    """

    def __init__(
        self, *, options: CutOptions | None, job: ChunkingJob, on_failure: Callable[[BaseException], None]
    ) -> None:
        self._options = options
        self._job = job
        self._transcoder = SourceTranscoder(current_row=lambda: self._spool.current_row)
        self._stopped = threading.Event()
        self._spool = SpoolFile(job=job, transcoder=self._transcoder, stopped=self._stopped)
        self._content = hashlib.sha256()
        self._worker = Worker(name="spool", on_failure=on_failure)
        self._digest_worker = Worker(name="digest-content", on_failure=on_failure)
        self._cutting: asyncio.Task[CutResult] | None = None

    def submit(self, block: Block) -> None:
        """Queue ``block`` to be written; it is released afterwards."""
        self._worker.submit(lambda: self._write_block(block))

    async def finish(self, *, options: CutOptions, check: Callable[[], None]) -> CutResult:
        """Cut the spool file (see :meth:`~.chunker.Chunker.finish`)."""
        self._worker.submit(self._write_rest)
        await self._worker.join()
        await self._digest_worker.join()
        check()
        content_sha256 = self._content.hexdigest()
        cut = partial(self._spool.cut, options, content_sha256=content_sha256)
        self._cutting = asyncio.create_task(run_in_own_thread(cut, name="cut"))
        return await asyncio.shield(self._cutting)

    async def stop(self) -> None:
        """Abandon unfinished work; when this returns, no thread uses a file any more."""
        self._stopped.set()
        for worker in (self._worker, self._digest_worker):
            worker.drop()
            await worker.join()
        if self._cutting is not None:
            await asyncio.gather(self._cutting, return_exceptions=True)
        await asyncio.to_thread(self._spool.close)  # frees the disk blocks of an unlinked file

    def _write_block(self, block: Block) -> None:
        with faults_first(self._spool.raise_faults):
            for piece, held in self._job.unpacker.feed(block):
                with self._defer_transcoder_error():
                    self._write(self._transcoder.feed(piece), held)
                held.release()

    def _write_rest(self) -> None:
        with faults_first(self._spool.raise_faults):
            self._job.unpacker.finish()
        with self._defer_transcoder_error():
            self._write(self._transcoder.finish(), None)

    @contextmanager
    def _defer_transcoder_error(self) -> Iterator[None]:
        """Defer the transcoder's error if nothing has been scanned yet: an earlier violation takes precedence.

        The transcoder raises it for all later content, which is not kept, and again when the spool file checks it.
        """
        try:
            yield
        except InvalidCsvError:
            if self._options is not None:
                self._spool.scan_pending()
                self._transcoder.check()
                raise

    def _write(self, data: memoryview, held: Held | None) -> None:
        if not data:
            return
        if self._options is not None:
            self._spool.scan(data, self._options)
            if self._spool.has_faults:
                return
        if held is not None:
            held.hold()
        self._digest_worker.submit(lambda: self._hash(data, held))
        self._job.check_space(len(data))
        write_all(self._spool.fd, data)

    def _hash(self, data: memoryview, held: Held | None) -> None:
        self._content.update(data)
        if held is not None:
            held.release()
