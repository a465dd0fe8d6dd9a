"""Whether every CSV parser reads the same fields in a block, or only one that follows Python's ``csv``."""

from __future__ import annotations

from csvscan import bits
from csvscan.bits import Block, MaskMaker, Words
from csvscan.line_tracker import CR, LF

_QUOTE = 0x22


def is_regular(block: Block, *, delimiter: bytes, masks: MaskMaker) -> bool:
    """Return whether no line of ``block`` (whole rows) ends in a lone CR, and all quotes are where RFC 4180 has them.

    These are at the start and end of a field, and doubled within it. ``5" pipe`` and ``"a"b`` are not regular.
    """
    quotes, lf, cr = (masks.mask(block, byte) for byte in (_QUOTE, LF, CR))
    inside = None if quotes is None else bits.prefix_xor(quotes, carry=False)
    if cr is not None and _has_lone_cr(cr, lf, inside):
        return False
    if quotes is None or inside is None:
        return True
    separators = bits.union(bits.union(lf, cr), masks.mask(block, delimiter[0]))
    return _quotes_are_regular(quotes, inside, separators, block.size)


def _has_lone_cr(cr: Words, lf: Words | None, inside: Words | None) -> bool:
    """Return whether a CR outside of quotes is not followed by an LF."""
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
