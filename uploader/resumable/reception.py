"""Reception of one body of a resumable upload: appended, scanned and made durable by three threads.

A block of bytes goes through them one after the other, and so do the requests to save: what is saved of the scan
belongs to exactly the bytes that are saved with it. The event loop only hands blocks over.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from contracts.errors import CsvPipeError
from uploader.disk.part_file import Mark, PartFile
from uploader.errors import FileTooLargeError
from uploader.http.request_body import Body
from uploader.ingest.minimum_rate import MinimumRate
from uploader.ingest.pipeline.block_filler import BlockFiller
from uploader.ingest.pipeline.blocks import Block, BlockPool
from uploader.ingest.pipeline.worker import Worker
from uploader.resumable.content_follower import ContentFollower
from uploader.resumable.errors import ChecksumMismatchError, UploadSupersededError
from uploader.resumable.part_cutting import catch_up
from uploader.resumable.part_digests import Cuts, PartDigests
from uploader.resumable.tus_headers import Checksum

_SAVE_BYTES = 64 * 1024 * 1024
_SAVE_S = 2.0
"""After how much, and after how long, the bytes of a running request are made durable."""
_SUPERSEDED_S = 0.25
"""How often a running request looks for a newer one."""


class Reception:
    """Receives one body; :meth:`receive` may be called once."""

    def __init__(
        self,
        *,
        part: PartFile,
        follower: ContentFollower,
        limit_bytes: int,
        rate: MinimumRate,
        check_space: Callable[[int], None],
        is_superseded: Callable[[], bool],
        checksum: Checksum | None = None,
        digests: PartDigests | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare to receive.

        Args:
            part: gets the bytes.
            follower: has been fed at most the bytes that ``part`` has; it gets the missing ones first.
            limit_bytes: how many bytes may follow.
            rate: the minimum rate of the client.
            check_space: called in a thread with a number of bytes before they are written; raises if they do not fit.
            is_superseded: returns whether a newer request wants the upload.
            checksum: of the whole body: with one, all of it is kept or nothing.
            digests: follow the bytes that are durable.
            now: returns the time in seconds since 1970.
        """
        self._part = part
        self._follower = follower
        self._left = limit_bytes
        self._rate = rate
        self._check_space = check_space
        self._is_superseded = is_superseded
        self._checksum = checksum
        self._digest = None if checksum is None else hashlib.new(checksum.algorithm)
        self._digests = digests
        self._now = now
        self._pool = BlockPool()
        self._blocks = BlockFiller(self._pool, waiting=rate.paused)
        self._arriving = 0
        self._unsaved_bytes = 0
        self._saved_at = time.monotonic()
        self._saving = False
        self._start = part.size
        self._fault: CsvPipeError | None = None
        self._saving_failed = threading.Event()
        self._writer = Worker(name="write", on_failure=self._pool.fail)
        self._scan_worker = Worker(name="scan", on_failure=self._pool.fail)
        # Not a method of this object: both would refer to each other, and the buffers stay until garbage collection.
        self._saver = Worker(name="save", on_failure=partial(_fail_saving, self._pool, self._saving_failed))

    async def receive(self, body: Body) -> None:
        """Receive ``body``. Whatever ends it, what has arrived is durable and scanned when this returns or raises.

        With a checksum, nothing of a body that is incomplete or differs is kept.

        Raises:
            CsvPipeError: the content is refused, or the request has ended early; the subclass gives the reason.
            OSError: the disk has failed or is full.
        """
        self._scan_worker.submit(self._catch_up)
        try:
            await self._read_unless_superseded(body)
        except BaseException as error:  # noqa: BLE001  raised again by _end
            failure: BaseException | None = error
        else:
            failure = None
        # Shielded: bytes that have arrived are kept, even if this task is cancelled again.
        await asyncio.shield(asyncio.create_task(self._end(failure)))

    async def _read_unless_superseded(self, body: Body) -> None:
        reading = asyncio.create_task(self._read(body))
        watching = asyncio.create_task(self._watch())
        try:
            await asyncio.wait({reading, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, watching):
                task.cancel()
            await asyncio.wait({reading, watching})
        if reading.cancelled():
            raise UploadSupersededError("a newer request for this upload has ended this one; what had arrived is kept")
        await reading

    async def _watch(self) -> None:
        # Polled, because the newer request may be in another process.
        while not self._is_superseded():  # noqa: ASYNC110
            await asyncio.sleep(_SUPERSEDED_S)

    async def _read(self, body: Body) -> None:
        async with self._rate.enforced():
            while True:
                block = await self._blocks.with_room()
                if not await self._read_into(block, body):
                    break
                if block.is_full:
                    self._submit()
                    self._save_if_due()
        self._submit()

    async def _read_into(self, block: Block, body: Body) -> int:
        self._arriving = 0
        try:
            size = await body.read_into(block.room, fill=True, on_bytes=self._count)
        except BaseException:
            self._extend(block, min(self._arriving, len(block.room)))
            self._submit()
            raise
        self._extend(block, size)
        return size

    def _extend(self, block: Block, size_bytes: int) -> None:
        self._left -= size_bytes
        if self._left < 0:
            self._blocks.drop()
            raise FileTooLargeError("the body has more bytes than the file: send only those that are missing")
        block.extend(size_bytes)

    def _count(self, size_bytes: int) -> None:
        self._arriving += size_bytes
        self._rate.count(size_bytes)

    def _submit(self) -> None:
        block = self._blocks.take()
        if block is not None:
            self._unsaved_bytes += block.size
            self._writer.submit(partial(self._write, block))

    def _save_if_due(self) -> None:
        is_due = self._unsaved_bytes >= _SAVE_BYTES or time.monotonic() - self._saved_at >= _SAVE_S
        if is_due and not self._saving and self._checksum is None:
            self._saving = True
            self._unsaved_bytes, self._saved_at = 0, time.monotonic()
            self._writer.submit(self._save_later)

    # In the threads

    def _catch_up(self) -> None:
        """Scan the bytes that are durable and were not scanned when the scan was saved."""
        with self._noting_fault():
            catch_up(self._follower, self._part.fd, end=self._part.state.offset)

    def _write(self, block: Block) -> None:
        self._check_space(block.size)
        self._part.append(block.content)
        if self._digest is not None:
            self._digest.update(block.content)
        self._scan_worker.submit(partial(self._scan, block))

    def _scan(self, block: Block) -> None:
        if self._fault is None:
            with self._noting_fault():
                self._follower.feed(block.content)
        block.release()

    @contextmanager
    def _noting_fault(self) -> Iterator[None]:
        """Note a fault of the content, and end the reading.

        With a checksum the reading goes on: the checksum decides whether these are the bytes that the client has sent.
        """
        try:
            yield
        except CsvPipeError as fault:
            self._fault = fault
            if self._checksum is None:
                self._pool.fail(fault)

    def _save_later(self) -> None:
        self._scan_worker.submit(partial(self._save_scanned, self._part.size))

    def _save_scanned(self, offset: int) -> None:
        if self._fault is None and not self._follower.has_faults:  # then others are looked for, and nothing is saved
            with self._noting_fault():
                self._saver.submit(partial(self._save, offset, *self._follower.save(), self._follower.cuts()))

    def _save(self, offset: int, scan: dict[str, Any] | None, new_marks: list[Mark], cuts: Cuts | None) -> None:
        self._part.save(offset=offset, scan=scan, new_marks=new_marks, touched_at=self._now())
        self._saving = False
        if self._digests is not None and cuts is not None:
            self._digests.follow(offset, cuts)

    # The end

    async def _end(self, failure: BaseException | None) -> None:
        """End the threads, keep what has arrived, and raise what has ended the request early, if anything.

        A fault of the content comes first. After a failure to make bytes durable nothing more is saved: the kernel
        reports it once, and forgets that the bytes are not on the disk.
        """
        for worker in (self._writer, self._scan_worker, self._saver):
            await worker.join()
        self._blocks.drop()
        self._pool.close()
        if self._checksum is not None:
            failure = failure or self._pool.failure or self._digest_fault()
            if failure is not None:
                self._part.size = self._start
                raise failure
        if self._fault is not None:
            raise self._fault
        if not self._saving_failed.is_set():
            await asyncio.to_thread(self._save, self._part.size, *self._follower.save(), self._follower.cuts())
        failure = failure or self._pool.failure
        if failure is not None:
            raise failure

    def _digest_fault(self) -> ChecksumMismatchError | None:
        assert self._checksum is not None and self._digest is not None  # noqa: S101, PT018  as the caller has seen
        if self._digest.digest() == self._checksum.digest:
            return None
        return ChecksumMismatchError(
            f"the {self._checksum.algorithm} of the body is {self._digest.hexdigest()}, not that in "
            f"{self._checksum.header}; none of it was kept: send it again"
        )


def _fail_saving(pool: BlockPool, failed: threading.Event, failure: BaseException) -> None:
    failed.set()
    pool.fail(failure)
