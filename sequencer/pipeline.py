"""Reading, cutting and encoding, in a thread of its own beside the one that sends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Self

from sequencer.model import EncodedBlock

_WAIT_S = 0.2
_JOIN_S = 10.0
"""How long leaving waits for the thread: it may be in the middle of a request to a source that does not answer."""


class StoppedError(Exception):
    """Ends the making of blocks that nobody wants any more."""


class EncodedBlocks:
    """Runs ``make`` in a thread, a few blocks ahead of whoever takes them. Leaving the context ends the thread.

    Args:
        make: gives the blocks; closed where it is not taken to its end.
        ahead: how many blocks may wait: with those that are unacknowledged, the bound on memory.
    """

    def __init__(self, make: Callable[[], Iterator[EncodedBlock]], *, ahead: int = 4) -> None:
        self._make = make
        self._queue: Queue[EncodedBlock | None] = Queue(maxsize=ahead)
        self._failure: BaseException | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="encode", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join(_JOIN_S)

    def take(self, timeout_s: float) -> EncodedBlock | None:
        """Return the next block; None: there are no more.

        Raises:
            Empty: there is none yet.
            BaseException: what making the blocks has failed with, in its turn.
        """
        block = self._queue.get(timeout=timeout_s)
        if block is None and self._failure is not None:
            raise self._failure
        return block

    def _run(self) -> None:
        blocks = self._make()
        try:
            for block in blocks:
                if not self._put(block):
                    break
        except BaseException as failure:  # noqa: BLE001  raised again where the blocks are taken
            self._failure = failure
        finally:
            close = getattr(blocks, "close", None)
            if close is not None:
                close()
        self._put(None)

    def _put(self, block: EncodedBlock | None) -> bool:
        while not self._closed.is_set():
            try:
                self._queue.put(block, timeout=_WAIT_S)
            except Full:
                continue
            return True
        return False


__all__ = ["Empty", "EncodedBlocks"]
