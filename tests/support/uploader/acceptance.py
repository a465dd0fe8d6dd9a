"""The acceptance of uploads, called as the route calls it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.api import UploadAccepted
from tests.support.uploader.uploads import ACTOR, REPLICA, cut_options, cut_result, write_chunks
from uploader.disk.chunk_files import ChunkFiles
from uploader.disk.staging_directory import StagingDirectory
from uploader.domain.cutting import CutOptions, CutResult
from uploader.runtime.blocking_pool import BlockingPool
from uploader.runtime.clock import Clock, IncreasingClock
from uploader.store.store import Store
from uploader.uploads.acceptance import Acceptance
from uploader.uploads.outbox import Outbox


class AcceptanceBench:
    """Accepts uploads as the route does."""

    def __init__(self, acceptance: Acceptance, moments: Clock, temp_dir: Path) -> None:
        self.acceptance = acceptance
        self.moments = moments
        self.temp_dir = temp_dir

    async def accept(
        self,
        *,
        key: str | None = None,
        options: CutOptions | None = None,
        result: CutResult | None = None,
        upload_id: str | None = None,
    ) -> UploadAccepted:
        upload_id = upload_id or uuid.uuid4().hex
        result = result or cut_result()
        directory = StagingDirectory(temp_dir=self.temp_dir, upload_id=upload_id)
        directory.create()
        write_chunks(directory.path, result)
        return await self.acceptance.accept(
            upload_id, options or cut_options(), result, directory, key, actor=ACTOR, created_at=self.moments()
        )

    def accept_now(
        self, *, key: str | None = None, options: CutOptions | None = None, result: CutResult | None = None
    ) -> UploadAccepted:
        return asyncio.run(self.accept(key=key, options=options, result=result))

    def left(self) -> set[str]:
        """Return the uploads that have files."""
        return set(ChunkFiles(self.temp_dir).upload_ids())


@contextmanager
def running_acceptance(*, store: Store, outbox: Outbox, clock: Clock, temp_dir: Path) -> Iterator[AcceptanceBench]:
    """Provide an acceptance; every upload begins at another moment of ``clock``."""
    threads = BlockingPool(name="test", size=4)
    acceptance = Acceptance(store=store, outbox=outbox, threads=threads, replica=REPLICA, bucket="raw", clock=clock)
    yield AcceptanceBench(acceptance, IncreasingClock(clock), temp_dir)
    asyncio.run(threads.close())
