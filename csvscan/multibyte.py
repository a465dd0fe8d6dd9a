"""East Asian encodings, in which a character beyond ASCII has several bytes, and all but the first may be ASCII.

The second byte of a character may be 0x7C (``|``) or 0x5C (a backslash), but in none of these encodings a quote, a
comma, a semicolon, a tab or a line end. So quotes and lines are found as usual, and only a delimiter that may be such a
byte needs care: it is not a delimiter if the byte before it begins a character.
"""

from __future__ import annotations

import codecs
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from csvscan.bits import WORD, WORD_BITS, Block, Words
from csvscan.scanner_state import EncodingState

_SHIFT_JIS = (*range(0x81, 0xA0), *range(0xE0, 0xFD))
_OTHERS = tuple(range(0x81, 0xFF))
_LEADS: dict[str, tuple[int, ...]] = {
    "shift_jis": _SHIFT_JIS,
    "cp932": _SHIFT_JIS,
    "gb2312": (),
    "gbk": _OTHERS,
    "gb18030": _OTHERS,
    "euc_kr": (),
    "cp949": _OTHERS,
    "euc_jp": (),
    "big5": _OTHERS,
    "cp950": _OTHERS,
    "big5hkscs": _OTHERS,
}
"""The bytes that begin a character of two bytes; empty if the other bytes of a character are not ASCII either."""
MULTIBYTE_ENCODINGS = tuple(_LEADS)
_LINE_ENDS = frozenset(b"\r\n")
_ASCII_TRAILS = frozenset((*range(0x30, 0x3A), *range(0x40, 0x7F)))
"""GB18030 has digits as second and fourth bytes; all other ASCII below 0x40 is never part of a character."""


def needs_trail_mask(encoding: str | None, delimiters: bytes) -> bool:
    """Return whether a byte of ``delimiters`` may be part of another character in ``encoding``."""
    return bool(_LEADS.get(encoding or "")) and not _ASCII_TRAILS.isdisjoint(delimiters)


class TrailMask:
    """Finds the bytes that end a character of two bytes, block by block.

    A byte that can begin a character does so unless the byte before it did. So in a run of such bytes every other one
    begins a character, counted from the start of the run, which is always the start of a character. A character of
    four bytes in GB18030 counts as two pairs.
    """

    def __init__(self, encoding: str) -> None:
        self._begins: NDArray[np.bool_] = np.zeros(0x100, dtype=np.bool_)
        self._begins[list(_LEADS[encoding])] = True
        self.in_character = False
        """Whether the block before ended within a character."""

    def feed(self, block: Block) -> Words | None:
        """Return the trail bytes of ``block``, or None if it has none."""
        if block.is_ascii and not self.in_character:
            return None
        begins = self._begins[block.data]
        trails = np.zeros(-(-block.size // WORD_BITS) * WORD_BITS, dtype=np.bool_)
        trails[0] = self.in_character
        if self.in_character:
            begins[0] = False
        places = np.arange(block.size, dtype=np.int32)
        run_starts = np.maximum.accumulate(np.where(begins, 0, places + 1))
        leads = begins & ((places - run_starts) % 2 == 0)
        trails[1 : block.size] |= leads[:-1]
        self.in_character = bool(leads[-1])
        return np.packbits(trails, bitorder="little").view(WORD)


class MultibyteCheck:
    """Check for one of :data:`MULTIBYTE_ENCODINGS` (a :class:`csvscan.encoding.EncodingCheck`)."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")

    @property
    def encoding(self) -> str:
        """Name of the encoding in Python."""
        return self._encoding

    def feed(self, block: Block) -> int | None:
        """Return the offset of the first invalid sequence, or None; it is negative if it starts in the block before."""
        if block.is_ascii and not self._decoder.getstate()[0]:
            return None
        return self._decode(block.data.tobytes())

    def finish(self) -> int | None:
        """Return the offset, which is negative, of a character that the end of the content cuts off, or None."""
        held = len(self._decoder.getstate()[0])
        return -held if held else None

    def find_all(self, block: Block, start: int, row_ends: NDArray[np.int64]) -> NDArray[np.int64]:
        """Find the first invalid sequence in each row (see :class:`csvscan.encoding.EncodingCheck`)."""
        data = block.data.tobytes()
        found: list[int] = []
        for begin, end in pairwise([start, *row_ends[row_ends > start].tolist(), block.size]):
            self._decoder.reset()
            at = self._decode(data[begin:end])
            if at is not None:
                found.append(begin + at)
        return np.array(found, dtype=np.int64)

    def state(self) -> EncodingState:
        """Return the state, which :meth:`restore` accepts."""
        return EncodingState(pending=self._decoder.getstate()[0].hex())

    def restore(self, state: EncodingState) -> None:
        """Continue from ``state``."""
        self._decoder.reset()
        self._decoder.decode(bytes.fromhex(state.pending))

    def _decode(self, data: bytes) -> int | None:
        """Return the offset of the first invalid sequence; it is negative if it starts in the data before.

        Some decoders wait for the rest of a character even if a line end came, which is part of none. Then the row of
        the sequence would have ended before it is known to be invalid.
        """
        held = len(self._decoder.getstate()[0])
        try:
            self._decoder.decode(data)
        except UnicodeDecodeError as error:
            return error.start - held
        pending = self._decoder.getstate()[0]
        if _LINE_ENDS.isdisjoint(pending):
            return None
        self._decoder.reset()
        return len(data) - len(pending)
