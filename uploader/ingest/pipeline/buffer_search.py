"""Substring search in a buffer, faster than ``bytearray.find``."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

Contains = Callable[[bytes, int, int], bool]
"""Returns whether the given bytes occur between two offsets of a buffer."""


def contains_function(buffer: bytearray) -> Contains:
    """Return a search function for ``buffer``, whose size must not change afterwards.

    memmem(3) takes a quarter of the time of ``bytearray.find`` if the first byte is as frequent as a CR in a file with
    CRLF, and runs without the GIL. With a libc that lacks it (it is not part of POSIX), Python searches instead.
    """
    memmem = getattr(ctypes.CDLL(None), "memmem", None)
    if memmem is None:
        return lambda needle, start, end: buffer.find(needle, start, end) >= 0
    memmem.restype = ctypes.c_void_p
    memmem.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    pinned = (ctypes.c_char * len(buffer)).from_buffer(buffer)  # keeps the buffer at its address

    def contains(needle: bytes, start: int, end: int) -> bool:
        return memmem(ctypes.addressof(pinned) + start, end - start, needle, len(needle)) is not None

    return contains
