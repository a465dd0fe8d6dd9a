"""The blocks of one upload, and their buffers, which go from one upload to the next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from unittest.mock import patch

import pytest

from uploader.ingest.pipeline import blocks
from uploader.ingest.pipeline.blocks import BlockPool, Buffer, SpareBuffers


@pytest.fixture(autouse=True)
def spare() -> Iterator[SpareBuffers]:
    spare = SpareBuffers(most=3)
    with patch.object(blocks, "_spare_buffers", spare):
        yield spare


@asynccontextmanager
async def pool(count: int) -> AsyncIterator[BlockPool]:
    found = BlockPool(count=count, size_bytes=10)
    try:
        yield found
    finally:
        found.close()


async def _taken_back() -> None:
    """Let the event loop run what threads have asked it to."""
    await asyncio.sleep(0)


def test_next_upload_gets_the_buffers_of_the_last_one() -> None:
    async def use() -> None:
        async with pool(2) as first:
            used = [await first.acquire(), await first.acquire()]
            for block in used:
                block.append(memoryview(b"0123456789"))
                block.release()
            await _taken_back()
        async with pool(2) as second:
            again = [await second.acquire(), await second.acquire()]
        assert {id(block.data) for block in again} == {id(block.data) for block in used}
        assert [bytes(block.content) for block in again] == [b"", b""]

    asyncio.run(use())


def test_block_that_is_read_when_the_upload_ends_keeps_its_buffer() -> None:
    """A thread may still write its bytes to the disk when the client is gone."""

    async def use() -> None:
        async with pool(1) as first:
            read = await first.acquire()
            read.append(memoryview(b"first"))
            read.hold()
            read.release()
        async with pool(1) as second:
            other = await second.acquire()
            other.append(memoryview(b"other"))
        assert bytes(read.content) == b"first"
        read.release()
        await _taken_back()
        async with pool(1) as third:
            assert (await third.acquire()).data is read.data

    asyncio.run(use())


def test_block_that_is_never_released_keeps_its_buffer(spare: SpareBuffers) -> None:
    async def use() -> None:
        async with pool(1) as first:
            dropped = await first.acquire()
        assert spare.take(10).data is not dropped.data

    asyncio.run(use())


def test_no_more_buffers_are_kept_than_allowed() -> None:
    spare = SpareBuffers(most=2)
    buffers = [Buffer(10) for _ in range(3)]
    for buffer in buffers:
        spare.give(buffer)
    assert [spare.take(10) in buffers for _ in range(3)] == [True, True, False]


def test_buffer_of_another_size_is_not_used() -> None:
    spare = SpareBuffers(most=2)
    spare.give(Buffer(5))
    assert len(spare.take(10).view) == 10
