"""A limited number of unpacked pieces: the bound on the memory of a compressed upload, beside the pool of blocks."""

from __future__ import annotations

import threading

from contracts.errors import StoppedError
from uploader.ingest.pipeline.blocks import Held

DEFAULT_PIECE_COUNT = 6


class Piece(Held):
    """Unpacked content with a reference count; the last reader makes room for another piece."""

    __slots__ = ("_pieces", "content")

    def __init__(self, content: bytes, pieces: UnpackedPieces) -> None:
        super().__init__(users=1)
        self.content = memoryview(content)
        self._pieces = pieces

    def _give_back(self) -> None:
        self._pieces.make_room()


class UnpackedPieces:
    """Admits at most ``count`` pieces at a time. One thread may wait."""

    def __init__(self, *, count: int = DEFAULT_PIECE_COUNT) -> None:
        self._room = threading.Semaphore(count)
        self._stopped = False

    def admit(self, content: bytes) -> Piece:
        """Return ``content`` as a piece with one reader (the caller), after waiting for room.

        Raises:
            StoppedError: :meth:`stop` was called: readers may never release their pieces.
        """
        self._room.acquire()
        if self._stopped:
            self._room.release()
            raise StoppedError
        return Piece(content, self)

    def make_room(self) -> None:
        """Count one piece less (from any thread)."""
        self._room.release()

    def stop(self) -> None:
        """Make the waiting and every later :meth:`admit` raise (from any thread)."""
        self._stopped = True
        self._room.release()
