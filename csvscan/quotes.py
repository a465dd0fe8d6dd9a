"""Which bytes of a block stand within quotes."""

from __future__ import annotations

from csvscan import bits
from csvscan.bits import Words
from csvscan.irregular import CLOSED, PLAIN, QUOTED, structural_quotes


class QuoteTracker:
    """Carries the state of the quotes from block to block.

    Attributes:
        opened_byte: offset in the content of the quote that opened the last field still open at the end of a block.
    """

    def __init__(self) -> None:
        self._state = PLAIN
        self._after_quote = False
        self.opened_byte = 0

    @property
    def inside(self) -> bool:
        """Whether a quoted field is open."""
        return self._state == QUOTED

    def mask_inside(self, quotes: Words, at_start: Words, *, ends_in_quote: bool, base_byte: int) -> Words:
        """Return the bytes within quotes: opening quotes belong to them, closing ones do not.

        Args:
            quotes: all quotes of the block; at least one.
            at_start: bytes that follow a delimiter, a line end or the start of the content.
            ends_in_quote: whether the block's last byte is a quote.
            base_byte: offset of the block in the content.
        """
        inside, opening = self._parity(quotes)
        adjacent = bits.shift_up(quotes, self._after_quote and self._state == CLOSED)
        if (opening & ~(at_start | adjacent)).any():
            adjacent = bits.shift_up(quotes, self._after_quote)
            quotes, state = structural_quotes(quotes, at_start, adjacent, self._state)
            inside, opening = self._parity(quotes)
        else:
            state = QUOTED if int(inside[-1]) >> (bits.WORD_BITS - 1) else CLOSED
        if state == QUOTED:
            opened = bits.last(opening & at_start)
            if opened is not None:
                self.opened_byte = base_byte + opened
        self._state = state
        self._after_quote = ends_in_quote
        return inside

    def pass_block(self) -> None:
        """Note a block that holds no quote."""
        self._after_quote = False

    def _parity(self, quotes: Words) -> tuple[Words, Words]:
        inside = bits.prefix_xor(quotes, self.inside)
        return inside, quotes & inside
