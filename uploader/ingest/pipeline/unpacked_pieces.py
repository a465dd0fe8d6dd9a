"""A limited number of unpacked pieces: the bound on the memory of a compressed upload, beside the pool of blocks."""

from __future__ import annotations

import threading

from contracts.errors import StoppedError

DEFAULT_PIECE_COUNT = 6


class Piece:
    """Unpacked content with a reference count; a :class:`uploader.ingest.pipeline.blocks.Held`."""

    __slots__ = ("_lock", "_pieces", "_users", "content")

    def __init__(self, content: bytes, pieces: UnpackedPieces) -> None:
        self.content = memoryview(content)
        self._pieces = pieces
        self._users = 1
        self._lock = threading.Lock()

    def hold(self) -> None:
        """Add a reader."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """Remove a reader; the last one makes room for another piece."""
        with self._lock:
            self._users -= 1
            free = not self._users
        if free:
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
