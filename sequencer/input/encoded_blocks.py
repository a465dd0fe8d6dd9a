"""Reads and encodes blocks in threads of their own, ahead of the thread that sends."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import Empty, Queue
from types import TracebackType
from typing import Self

from sequencer.model.blocks import EncodedBlock

Encode = Callable[[], EncodedBlock]
"""Encodes one block; called in any thread."""
_WAIT_S = 0.2
_JOIN_S = 10.0
"""How long to wait for the reading thread at the end: its source may not answer."""
_MOST_ENCODERS = 4


class EncodedBlocks:
    """Reads blocks in one thread and encodes them in several, some blocks ahead of their consumer, in order.

    Leaving the context ends the threads.

    Args:
        make: returns the blocks to encode; the iterator is closed if it is not exhausted.
        ahead: number of blocks that may wait; with the unacknowledged records, the bound on memory.
    """

    def __init__(self, make: Callable[[], Iterator[Encode]], *, ahead: int = 4) -> None:
        self._make = make
        self._queue: Queue[Future[EncodedBlock] | None] = Queue()
        self._room = threading.Semaphore(ahead)
        self._next: Future[EncodedBlock] | None = None
        self._failure: BaseException | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cut", daemon=True)
        encoders = min(os.cpu_count() or 1, _MOST_ENCODERS)
        self._pool = ThreadPoolExecutor(encoders, thread_name_prefix="encode")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join(_JOIN_S)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def take(self, timeout_s: float) -> EncodedBlock | None:
        """Return the next block, or None after the last one.

        Raises:
            Empty: the next block is not ready yet.
            BaseException: reading or encoding has failed, in the order of the blocks.
        """
        deadline = time.monotonic() + timeout_s
        if self._next is None:
            self._next = self._queue.get(timeout=timeout_s)
        if self._next is None:
            if self._failure is not None:
                raise self._failure
            return None
        if not wait([self._next], max(0.0, deadline - time.monotonic())).done:
            raise Empty
        block, self._next = self._next, None
        self._room.release()
        return block.result()

    def _run(self) -> None:
        blocks = self._make()
        try:
            for encode in blocks:
                if not self._put(encode):
                    break
        except BaseException as failure:  # noqa: BLE001  raised again in take()
            self._failure = failure
        finally:
            close = getattr(blocks, "close", None)
            if close is not None:
                close()
        self._queue.put(None)

    def _put(self, encode: Encode) -> bool:
        """Start to encode a block once there is capacity for it; return False if the context was left before that."""
        while not self._room.acquire(timeout=_WAIT_S):
            if self._closed.is_set():
                return False
        self._queue.put(self._pool.submit(encode))
        return not self._closed.is_set()


__all__ = ["Empty", "Encode", "EncodedBlocks"]
