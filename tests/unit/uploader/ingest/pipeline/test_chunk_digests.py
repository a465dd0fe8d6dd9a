"""The hashes of an upload whose threads fail."""

from __future__ import annotations

import asyncio

from uploader.ingest.pipeline.chunk_digests import ChunkDigests
from uploader.ingest.pipeline.worker import Worker


def test_failure_in_chunk_1_does_not_block_the_content_hash() -> None:
    def fail() -> None:
        raise OSError

    async def hash_two_chunks() -> list[BaseException]:
        failures: list[BaseException] = []
        chunk_worker = Worker(name="chunks", on_failure=failures.append)
        digests = ChunkDigests(chunk_worker=chunk_worker, on_failure=failures.append)
        digests.begin(b"id\n")
        chunk_worker.submit(fail)
        digests.end()
        digests.begin(b"id\n")
        digests.end()
        try:
            await asyncio.wait_for(digests.finish(), 60)
        finally:
            await digests.drop()
        return failures

    assert [type(failure) for failure in asyncio.run(hash_two_chunks())] == [OSError]
