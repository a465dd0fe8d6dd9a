"""Resumable uploads without HTTP and database: bodies in, chunk files and their description out."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.names import timestamp
from tests.support.uploader.ingest import MOMENT, Received, cut_up
from uploader.disk.part_file import PartFile, create_part, part_directory
from uploader.disk.staging_directory import open_staging
from uploader.domain.cutting import CutOptions
from uploader.errors import UploadAbortedError
from uploader.http.request_body import StreamedBody
from uploader.ingest.chunking.chunking_job import ChunkingJob
from uploader.ingest.minimum_rate import MinimumRate
from uploader.resumable.background_digests import BackgroundDigests
from uploader.resumable.part_cutting import cut_part, restore_follower
from uploader.resumable.reception import Reception
from uploader.resumable.tus_headers import Checksum
from uploader.runtime.logging import UploadLog

MAX_CHUNKS = 1_000


@dataclass
class PartUpload:
    """One resumable upload in a directory; each request opens its files again, as another process would."""

    temp_dir: Path
    options: CutOptions
    length: int
    upload_id: str = "a" * 32

    def __post_init__(self) -> None:
        create_part(self.temp_dir, self.upload_id, length=self.length, at=time.time())

    @property
    def directory(self) -> Path:
        """Return where its files are."""
        return part_directory(self.temp_dir, self.upload_id)

    @property
    def offset(self) -> int:
        """Return how many bytes are durable."""
        part = PartFile.open(self.directory)
        part.close()
        return part.state.offset

    async def send(
        self,
        body: bytes,
        *,
        pieces: Sequence[int] = (64 * 1024,),
        breaks: bool = False,
        checksum: Checksum | None = None,
        worker: BackgroundDigests | None = None,
    ) -> None:
        """Send ``body`` in pieces; at its end the connection breaks, or the body is complete.

        ``worker`` has the hashes of the process that receives it, if that computes any.
        """
        part = PartFile.open(self.directory)
        try:
            follower = restore_follower(part, options=self.options, max_chunks=MAX_CHUNKS)
            receiving = Reception(
                part=part,
                follower=follower,
                limit_bytes=self.length - part.size,
                rate=MinimumRate(window_s=60, least_bytes=1),
                check_space=lambda _: None,
                is_superseded=lambda: False,
                checksum=checksum,
                digests=None if worker is None else worker.find(self.upload_id, part),
            )
            await receiving.receive(StreamedBody(_stream(cut_up(body, pieces), breaks=breaks)))
        finally:
            part.close()

    def save_copy(self) -> Path:
        """Copy all files, as they are on the disk at this moment."""
        copy = self.temp_dir / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.directory, copy)
        return copy

    def crash_to(self, copy: Path) -> None:
        """Put the state of ``copy`` back, as after a crash; the bytes that came since are on the disk, in part."""
        for path in copy.iterdir():
            if path.name != "data":
                shutil.copy(path, self.directory / path.name)

    async def finish(self, *, worker: BackgroundDigests | None = None) -> Received:
        """Cut the file, and return the same as for a plain upload; ``worker`` is as for :meth:`send`."""
        part = PartFile.open(self.directory)
        digests = None if worker is None else worker.find(self.upload_id, part)
        try:
            async with open_staging(self.temp_dir, self.upload_id) as directory:
                job = ChunkingJob(
                    directory=directory.path,
                    stamp=timestamp(MOMENT),
                    max_chunks=MAX_CHUNKS,
                    expected_bytes=self.length,
                    log=UploadLog(logging.getLogger("test"), self.upload_id),
                    dataset_name=self.options.dataset_name,
                    source_filename="data.csv",
                    source_bytes=part.size,
                )
                result = await cut_part(part, None, digests, options=self.options, job=job)
                names = [chunk.filename for chunk in result.chunks]
                return Received(
                    options=self.options,
                    result=result,
                    files=[(directory.path / name).read_bytes() for name in names],
                    left_over=sorted({path.name for path in directory.path.iterdir()} - {*names, ".lock"}),
                )
        finally:
            part.close()


async def _stream(pieces: Sequence[bytes], *, breaks: bool) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)
    if breaks:
        raise UploadAbortedError
