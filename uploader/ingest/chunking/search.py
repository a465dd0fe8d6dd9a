"""Looks for a few bytes in a buffer, faster than ``bytearray.find`` does."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

Holds = Callable[[bytes, int, int], bool]
"""Tells whether some bytes occur between two offsets of a buffer."""


def finder(buffer: bytearray) -> Holds:
    """Return what searches ``buffer``, whose size must not change any more.

    memmem(3) takes a fourth of the time of ``bytearray.find`` where the first byte is as frequent as a CR in a file
    with CRLF, and runs without the GIL. A libc that does not have it (it is no part of POSIX) leaves it to Python.
    """
    memmem = getattr(ctypes.CDLL(None), "memmem", None)
    if memmem is None:
        return lambda some, start, end: buffer.find(some, start, end) >= 0
    memmem.restype = ctypes.c_void_p
    memmem.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    pinned = (ctypes.c_char * len(buffer)).from_buffer(buffer)  # keeps the buffer where it is

    def holds(some: bytes, start: int, end: int) -> bool:
        return memmem(ctypes.addressof(pinned) + start, end - start, some, len(some)) is not None

    return holds
