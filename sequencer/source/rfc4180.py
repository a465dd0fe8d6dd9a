"""Is a block such that every CSV reader sees the same fields in it, or do only the rules of Python's ``csv`` tell?"""

from __future__ import annotations

from csvscan import bits
from csvscan.bits import Block, MaskMaker, Words
from csvscan.lines import CR, LF

_QUOTE = 0x22


def is_regular(block: Block, *, delimiter: int, masks: MaskMaker) -> bool:
    """Return whether ``block`` (whole rows) has no lone CR as a line end, and only quotes as in RFC 4180.

    These stand at a field's start and end, and are doubled within it. ``5" pipe`` or ``"a"b`` is not regular.
    """
    quotes, lf, cr = (masks.mask(block, byte) for byte in (_QUOTE, LF, CR))
    inside = None if quotes is None else bits.prefix_xor(quotes, carry=False)
    if cr is not None and _lone(cr, lf, inside):
        return False
    if quotes is None or inside is None:
        return True
    return _quotes_are_regular(quotes, inside, _union(lf, cr, masks.mask(block, delimiter)), block.size)


def _lone(cr: Words, lf: Words | None, inside: Words | None) -> bool:
    """Return whether a CR outside of quotes has no LF behind it."""
    lone = cr if lf is None else cr & ~bits.shift_down(lf)
    return bool((lone if inside is None else lone & ~inside).any())


def _quotes_are_regular(quotes: Words, inside: Words, separators: Words | None, size: int) -> bool:
    neighbours = quotes if separators is None else quotes | separators
    opening, closing = quotes & inside, quotes & ~inside
    if (opening & ~bits.shift_up(neighbours, carry=True)).any():
        return False
    unfollowed = closing & ~bits.shift_down(neighbours)
    first = bits.first(unfollowed)
    return first is None or first == size - 1


def _union(*masks: Words | None) -> Words | None:
    union: Words | None = None
    for mask in masks:
        union = mask if union is None else union if mask is None else union | mask
    return union
