"""Bit masks of a block, one bit per byte, as little-endian 64-bit words: bit ``i`` stands for byte ``i``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
WORD = np.dtype("<u8")
WORD_BITS = 64
_ALL = 0xFFFF_FFFF_FFFF_FFFF
_ONE = np.uint64(1)
_TOP = np.uint64(63)
_ACCUMULATED_WORDS = 512
_PREFIX_STEPS = tuple(np.uint64(1 << power) for power in range(6))


class Block:
    """A view of a block of bytes.

    Attributes:
        data: the bytes as an array.
        size: their number.
        is_ascii: whether all of them are less than 0x80.
    """

    __slots__ = ("_lowest", "_offset", "_owner", "data", "is_ascii", "size")

    def __init__(self, block: bytes | bytearray | memoryview) -> None:
        self.data: Bytes = np.frombuffer(block, dtype=np.uint8)
        self.size = self.data.size
        # As signed numbers NUL is 0 and bytes beyond ASCII are negative: one pass finds both in most blocks.
        self._lowest = int(self.data.view(np.int8).min(initial=0x7F))
        self.is_ascii = self._lowest >= 0
        self._owner = block.obj if isinstance(block, memoryview) else block
        self._offset = 0
        if isinstance(block, memoryview) and isinstance(self._owner, bytes | bytearray):
            self._offset = _address(self.data) - _address(np.frombuffer(self._owner, dtype=np.uint8))

    def first_nul(self) -> int | None:
        """Return the offset of the first NUL byte, or None if there is none."""
        if self._lowest > 0 or (self._lowest < 0 and self.data.min() > 0):
            return None
        return int(self.data.argmin())

    def contains(self, byte: int) -> bool | None:
        """Return whether ``byte`` occurs (by memchr, four times as fast as a mask), or None if only a mask can tell."""
        if not isinstance(self._owner, bytes | bytearray):
            return None
        return self._owner.find(byte, self._offset, self._offset + self.size) >= 0


def _address(data: Bytes) -> int:
    return int(data.__array_interface__["data"][0])


class MaskMaker:
    """Compares blocks with single bytes.

    It keeps its buffer: fresh pages from the system would cost more than the comparison.
    """

    def __init__(self) -> None:
        self._result = np.zeros(0, dtype=np.bool_)

    def mask(self, block: Block, byte: int) -> Words | None:
        """Return the positions of ``byte`` in ``block``, or None if there are none."""
        match block.contains(byte):
            case True:
                return np.packbits(self._compare(block, np.equal, byte), bitorder="little").view(WORD)
            case False:
                return None
            case None:
                return self.compare(block, np.equal, byte)

    def compare(self, block: Block, comparison: np.ufunc, byte: int) -> Words | None:
        """Return the positions at which ``comparison`` with ``byte`` is true, or None if there are none."""
        result = self._compare(block, comparison, byte)
        return np.packbits(result, bitorder="little").view(WORD) if result.any() else None

    def _compare(self, block: Block, comparison: np.ufunc, byte: int) -> NDArray[np.bool_]:
        """Compare into the buffer, padded to whole words."""
        size = block.size
        padded = -(-size // WORD_BITS) * WORD_BITS
        if self._result.size < padded:
            self._result = np.zeros(padded, dtype=np.bool_)
        result = self._result[:padded]
        comparison(block.data, byte, out=result[:size])
        result[size:] = False
        return result

    def any_of(self, block: Block, some: bytes) -> Words | None:
        """Return the positions of the bytes ``some`` in ``block``, or None if there are none."""
        found: Words | None = None
        for byte in some:
            found = union(found, self.mask(block, byte))
        return found


def union(left: Words | None, right: Words | None) -> Words | None:
    """Return the bits that are set in either mask; None stands for an empty mask."""
    if left is None or right is None:
        return right if left is None else left
    return left | right


def zeros(size: int) -> Words:
    """Return an empty mask for a block of ``size`` bytes."""
    return np.zeros(-(-size // WORD_BITS), dtype=WORD)


def shift_up(words: Words, carry: bool) -> Words:
    """Move every bit one byte forward; ``carry`` becomes bit 0."""
    moved = words << _ONE
    moved[1:] |= words[:-1] >> _TOP
    if carry:
        moved[0] |= _ONE
    return moved


def shift_down(words: Words) -> Words:
    """Move every bit one byte back."""
    moved = words >> _ONE
    moved[:-1] |= words[1:] << _TOP
    return moved


def prefix_xor(words: Words, carry: bool) -> Words:
    """Return the parity of the set bits up to and including each bit; ``carry`` is the parity before bit 0.

    Six shifts compute it inside each word. The parities of whole words are bits again, so the same function carries
    them over the words of a large mask (for 1 MiB: 16,384 words, then 256), which is faster than adding them up.
    """
    parity = words.copy()
    moved = np.empty_like(parity)
    for step in _PREFIX_STEPS:
        np.left_shift(parity, step, out=moved)
        np.bitwise_xor(parity, moved, out=parity)
    odd = np.right_shift(parity, _TOP, out=moved)
    if words.size > _ACCUMULATED_WORDS:
        padded = np.zeros(-(-words.size // WORD_BITS) * WORD_BITS, dtype=np.uint8)
        padded[: words.size] = odd
        upto = prefix_xor(np.packbits(padded, bitorder="little").view(WORD), carry)
        before = np.unpackbits(shift_up(upto, carry).view(np.uint8), count=words.size, bitorder="little")
        moved[:] = before
    else:
        np.bitwise_xor.accumulate(odd[:-1], out=moved[1:])
        moved[0] = 0
        if carry:
            moved ^= _ONE
    np.negative(moved, out=moved)
    return np.bitwise_xor(parity, moved, out=parity)


def count(words: Words) -> int:
    """Return the number of set bits."""
    return int(np.bitwise_count(words).sum())


def is_set(words: Words, bit: int) -> bool:
    """Return whether ``bit`` is set."""
    return bool(int(words[bit // WORD_BITS]) >> (bit % WORD_BITS) & 1)


def positions(words: Words) -> NDArray[np.int64]:
    """Return the numbers of the set bits in order. This is the most expensive function here: call it late."""
    return np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little")).astype(np.int64, copy=False)


def first(words: Words, start: int = 0) -> int | None:
    """Return the first set bit at or after ``start``, or None if there is none."""
    index = start // WORD_BITS
    if index >= words.size:
        return None
    head = int(words[index]) & (_ALL << (start % WORD_BITS))
    if head:
        return index * WORD_BITS + _lowest(head)
    return _first_from_word(words, index + 1)


def last(words: Words) -> int | None:
    """Return the last set bit, or None if there is none."""
    stop, stride = words.size, 16
    while stop > 0:
        begin = max(0, stop - stride)
        filled = np.flatnonzero(words[begin:stop])
        if filled.size:
            index = begin + int(filled[-1])
            return index * WORD_BITS + int(words[index]).bit_length() - 1
        stop, stride = begin, stride * 4
    return None


def last_below(words: Words, bit: int) -> int | None:
    """Return the last set bit before ``bit``, or None if there is none."""
    index = min(bit // WORD_BITS, words.size)
    if index < words.size:
        head = int(words[index]) & ((1 << bit % WORD_BITS) - 1)
        if head:
            return index * WORD_BITS + head.bit_length() - 1
    return last(words[:index])


def count_below(words: Words, bit: int) -> int:
    """Return the number of set bits before ``bit``."""
    index = min(bit // WORD_BITS, words.size)
    whole = count(words[:index])
    if index == words.size:
        return whole
    return whole + (int(words[index]) & ((1 << bit % WORD_BITS) - 1)).bit_count()


def nth_in_word(word: int, rank: int) -> int:
    """Return the number of the ``rank``-th set bit (from 1) in ``word``."""
    for _ in range(rank - 1):
        word &= word - 1
    return _lowest(word)


def _first_from_word(words: Words, begin: int) -> int | None:
    stride = 16
    while begin < words.size:
        filled = np.flatnonzero(words[begin : begin + stride])
        if filled.size:
            index = begin + int(filled[0])
            return index * WORD_BITS + _lowest(int(words[index]))
        begin, stride = begin + stride, stride * 4
    return None


def _lowest(word: int) -> int:
    return (word & -word).bit_length() - 1
