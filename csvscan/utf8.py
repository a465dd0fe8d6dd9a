"""Validates UTF-8 with bit masks, several times as fast as decoding it."""

from __future__ import annotations

import codecs

import numpy as np

from csvscan.bits import Block, MaskMaker, Words, shift_up

_SECOND_BYTES = (
    (0xE0, np.less, 0xA0),
    (0xED, np.greater_equal, 0xA0),
    (0xF0, np.less, 0x90),
    (0xF4, np.greater_equal, 0x90),
)
"""Second bytes that are invalid after a first byte: overlong forms, surrogates, and code points beyond U+10FFFF."""


def is_utf8(block: Block, masks: MaskMaker) -> bool:
    """Return whether a block of complete sequences is valid (RFC 3629)."""
    if block.is_ascii:
        return True
    if block.data.max() > 0xF4 or masks.mask(block, 0xC0) is not None or masks.mask(block, 0xC1) is not None:
        return False
    leads = masks.compare(block, np.greater_equal, 0xC2)
    beyond_ascii = masks.compare(block, np.greater_equal, 0x80)
    if leads is None or beyond_ascii is None:
        return False
    if not np.array_equal(beyond_ascii & ~leads, _continuations(block, masks, leads)):
        return False
    return not _has_wrong_second_byte(block, masks)


def cut_off_bytes(end: bytes) -> int:
    """Return the number of bytes of an incomplete sequence at the end of ``end``, of which three bytes are enough."""
    for length in range(1, min(3, len(end)) + 1):
        if end[-length] >= 0xC0:
            try:
                consumed = codecs.utf_8_decode(end[-length:], "strict", False)[1]
            except UnicodeDecodeError:
                return 0
            return length - consumed
    return 0


def _continuations(block: Block, masks: MaskMaker, leads: Words) -> Words:
    """Return the positions at which the leading bytes require continuation bytes."""
    wanted = shift_up(leads, carry=False)
    for lead, distance in ((0xE0, 2), (0xF0, 3)):
        longer = masks.compare(block, np.greater_equal, lead)
        if longer is None:
            break
        wanted |= _moved(longer, distance)
    return wanted


def _moved(words: Words, distance: int) -> Words:
    for _ in range(distance):
        words = shift_up(words, carry=False)
    return words


def _has_wrong_second_byte(block: Block, masks: MaskMaker) -> bool:
    for first, comparison, limit in _SECOND_BYTES:
        leads = masks.mask(block, first)
        if leads is None:
            continue
        wrong = masks.compare(block, comparison, limit)
        if wrong is not None and (shift_up(leads, carry=False) & wrong).any():
            return True
    return False
