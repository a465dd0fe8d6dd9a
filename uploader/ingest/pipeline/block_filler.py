"""The block that the bytes of a request go into."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from uploader.ingest.pipeline.blocks import Block, BlockPool


class BlockFiller:
    """Takes one block after the other from a pool, to be filled."""

    def __init__(self, pool: BlockPool, *, waiting: Callable[[], AbstractContextManager[None]]) -> None:
        """Begin without a block.

        Args:
            pool: has the blocks.
            waiting: returns a context for the time in which a free block is awaited.
        """
        self._pool = pool
        self._waiting = waiting
        self._block: Block | None = None

    async def with_room(self) -> Block:
        """Return the current block, which is not full.

        Raises:
            BaseException: the failure of the pool.
        """
        if self._block is None:
            with self._waiting():
                self._block = await self._pool.acquire()
        return self._block

    def take(self) -> Block | None:
        """Return the current block, and begin another one; return None if it has no bytes."""
        if self._block is None or not self._block.size:
            return None
        return self.drop()

    def drop(self) -> Block | None:
        """End the current block, if there is one, whatever is in it."""
        block, self._block = self._block, None
        return block
