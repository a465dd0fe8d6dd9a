"""A complete file, cut into the chunks that one unbroken upload of it would have given.

Where a scan has followed the bytes, the places to cut are known: copying is all that is left to do, and hashing as far
as that was not done while the bytes arrived. Content that no scan can follow (see
:mod:`.content_follower`) goes through the ordinary chunkers.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from uploader.disk.part_file import PartFile
from uploader.domain.cutting import CutOptions, CutResult
from uploader.ingest.chunking.chunk_builder import ChunkBuilder
from uploader.ingest.chunking.chunk_cutter import ChunkBounds
from uploader.ingest.chunking.chunker_choice import new_chunker
from uploader.ingest.chunking.chunking_job import ChunkingJob
from uploader.ingest.content.source_transcoder import SourceTranscoder
from uploader.ingest.pipeline.blocks import DEFAULT_BLOCK_BYTES, BlockPool
from uploader.ingest.pipeline.file_io import hash_file, read_blocks
from uploader.ingest.pipeline.worker import run_in_own_thread
from uploader.resumable.content_follower import ContentFollower
from uploader.resumable.part_digests import Cuts, FileDigests, PartDigests


async def cut_part(
    part: PartFile,
    follower: ContentFollower | None,
    digests: PartDigests | None,
    *,
    options: CutOptions,
    job: ChunkingJob,
) -> CutResult:
    """Cut the file of ``part`` into chunk files.

    Args:
        part: complete.
        follower: has scanned the file to its end; without one, the saved scan is continued.
        digests: have followed the file; without them, all is hashed now.
        options: how to cut.
        job: where to.

    Raises:
        CsvPipeError: the content is refused; the subclass gives the reason.
        OSError: the disk has failed or is full.
    """
    stopped = threading.Event()
    work = partial(_cut_followed, part, follower, digests, options=options, job=job, stopped=stopped)
    cutting = asyncio.create_task(run_in_own_thread(work, name="cut"))
    try:
        result = await asyncio.shield(cutting)
    except asyncio.CancelledError:
        stopped.set()
        await asyncio.gather(cutting, return_exceptions=True)
        raise
    return await _cut_by_chunker(part.fd, options=options, job=job) if result is None else result


def restore_follower(part: PartFile, *, options: CutOptions, max_chunks: int) -> ContentFollower:
    """Return the saved scan of a file (blocks)."""
    return ContentFollower.restore(
        part.state.scan,
        part.read_marks(),
        options=options,
        max_chunks=max_chunks,
        length=part.state.length,
        read_prefix=part.read_prefix,
    )


def catch_up(follower: ContentFollower, fd: int, *, end: int) -> None:
    """Feed ``follower`` the bytes of a file that it has not been fed yet, up to ``end`` (blocks).

    Raises:
        CsvPipeError: as :meth:`ContentFollower.feed` does.
    """
    if not follower.is_followed:
        follower.position = end
    if follower.position >= end:
        return
    buffer = memoryview(bytearray(DEFAULT_BLOCK_BYTES))
    for data in read_blocks(fd, buffer, start=follower.position, end=end):
        follower.feed(data)


def _cut_followed(
    part: PartFile,
    follower: ContentFollower | None,
    digests: PartDigests | None,
    *,
    options: CutOptions,
    job: ChunkingJob,
    stopped: threading.Event,
) -> CutResult | None:
    """Cut the file where its scan says (blocks); return None if no scan has followed it."""
    follower = follower or restore_follower(part, options=options, max_chunks=job.max_chunks)
    catch_up(follower, part.fd, end=part.size)
    if not follower.is_followed:
        return None
    builder = ChunkBuilder(job=job, content_fd=part.fd, stopped=stopped)
    scanner, bounds = follower.finish(content_fd=part.fd, check_stopped=builder.check_stopped)
    prefix = scanner.header.prefix
    job.check_chunks(scanner, len(bounds), sent_bytes=part.size)
    job.check_space(part.size + len(prefix) * (len(bounds) - 1))
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="digest") as pool:
        followed = digests if _has_most(digests, part) else None
        cuts = follower.cuts()
        hashing = pool.submit(_hash, part, followed, cuts, check_stopped=builder.check_stopped)

        def find_digest(chunk: ChunkBounds) -> str | None:
            if len(bounds) == 1:  # its file is the content
                return hashing.result().content
            return hashing.result().chunks.get((chunk.start.offset, chunk.end.offset))

        knows_chunks = len(bounds) == 1 or (followed is not None and cuts is not None and bool(cuts.ends))
        sha256 = builder.build(bounds, prefix, find_digest=find_digest if knows_chunks else None)
        content_sha256 = hashing.result().content
    return job.result(
        scanner=scanner,
        transcoder=SourceTranscoder(current_row=lambda: 0),
        content_sha256=content_sha256,
        bounds=bounds,
        sha256=sha256,
    )


def _has_most(digests: PartDigests | None, part: PartFile) -> bool:
    """Return whether the rest of the file is hashed sooner than all of it with both cores."""
    return digests is not None and not digests.is_lost and digests.position >= part.size / 2


def _hash(
    part: PartFile, digests: PartDigests | None, cuts: Cuts | None, *, check_stopped: Callable[[], None]
) -> FileDigests:
    """Return the hash of the content, and those of chunks that are known (blocks)."""
    found = None
    if digests is not None and cuts is not None:
        found = digests.finish(part.size, cuts, check_stopped=check_stopped)
    return found or FileDigests(hash_file(part.path), {})


async def _cut_by_chunker(fd: int, *, options: CutOptions, job: ChunkingJob) -> CutResult:
    """Cut the file ``fd`` as if it were received now.

    Raises:
        CsvPipeError: as :func:`uploader.ingest.upload_receiver.receive_upload` does.
        OSError: the disk has failed or is full.
    """
    pool = BlockPool()

    def fail(failure: BaseException) -> None:
        pool.fail(failure)
        job.unpacker.stop()

    chunker = new_chunker(options=options, job=job, on_failure=fail)
    try:
        offset = 0
        while True:
            block = await pool.acquire()
            size = await asyncio.to_thread(os.preadv, fd, [block.room], offset)
            if not size:
                break
            block.extend(size)
            offset += size
            chunker.submit(block)
        return await chunker.finish(options=options, check=pool.check)
    finally:
        job.unpacker.stop()
        # Shielded: the threads must end before the directory is removed, even if this task is cancelled again.
        await asyncio.shield(asyncio.create_task(chunker.stop()))
        pool.close()
