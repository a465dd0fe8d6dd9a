"""Finds the bytes within quotes."""

from __future__ import annotations

from csvscan import bits
from csvscan.bits import Words
from csvscan.irregular_quotes import CLOSED, PLAIN, QUOTED, structural_quotes
from csvscan.scanner_state import QuoteState


class QuoteTracker:
    """Finds the bytes within quotes in one block after the other.

    Attributes:
        opened_byte: offset in the content of the quote that opened the field still open at the end of a block.
    """

    def __init__(self) -> None:
        self._state = PLAIN
        self._after_quote = False
        self.opened_byte = 0

    @property
    def inside(self) -> bool:
        """Whether a quoted field is open."""
        return self._state == QUOTED

    def mask_inside(
        self, quotes: Words, starters: Words, *, at_start: bool, ends_in_quote: bool, base_byte: int
    ) -> Words:
        """Return the bytes within quotes, opening quotes included and closing quotes excluded.

        Args:
            quotes: all quotes of the block; at least one.
            starters: the bytes after which a field starts, that is, delimiters and line ends.
            at_start: whether the first byte of the block starts a field.
            ends_in_quote: whether the last byte of the block is a quote.
            base_byte: offset of the block in the content.
        """
        inside, opening = self._parity(quotes)
        may_open = bits.shift_up(quotes | starters, at_start or (self._after_quote and self._state == CLOSED))
        if (opening & ~may_open).any():
            before = bits.shift_up(starters, at_start), bits.shift_up(quotes, self._after_quote)
            quotes, state = structural_quotes(quotes, *before, self._state)
            inside, opening = self._parity(quotes)
        else:
            state = QUOTED if int(inside[-1]) >> (bits.WORD_BITS - 1) else CLOSED
        # A closing quote in the last byte may be the first of two, so that the field is still open.
        if state == QUOTED or ends_in_quote:
            opened = bits.last(opening & bits.shift_up(starters, at_start))
            if opened is not None:
                self.opened_byte = base_byte + opened
        self._state, self._after_quote = state, ends_in_quote
        return inside

    def pass_block(self) -> None:
        """Record that a block has no quotes."""
        self._after_quote = False

    def state(self) -> QuoteState:
        """Return the state, which :meth:`restore` accepts."""
        return QuoteState(state=self._state, after_quote=self._after_quote, opened_byte=self.opened_byte)

    def restore(self, state: QuoteState) -> None:
        """Continue from ``state``."""
        self._state, self._after_quote, self.opened_byte = state.state, state.after_quote, state.opened_byte

    def _parity(self, quotes: Words) -> tuple[Words, Words]:
        inside = bits.prefix_xor(quotes, self.inside)
        return inside, quotes & inside
