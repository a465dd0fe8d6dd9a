"""Finds record ends."""

from __future__ import annotations

from csvscan import bits
from csvscan.bits import Block, MaskMaker, Words
from csvscan.line_tracker import CR, LF, LineEnds, LineTracker
from csvscan.multibyte import TrailMask
from csvscan.quote_tracker import QuoteTracker
from csvscan.scanner_state import FinderState
from csvscan.text_traits import TextTraits

_BACKSLASH = 0x5C


class RecordFinder:
    """Finds the record ends in one block after the other.

    Args:
        delimiters: the delimiter, or all candidates if it is not known yet.
        quote: the quote.
        base_byte: offset of the first block in the content.
        masks: mask maker to share with other finders; None for one of its own.
        multibyte: see :class:`csvscan.dialect.Dialect`.
        traits: is shown every block; None if nobody asks for them.
    """

    def __init__(
        self,
        *,
        delimiters: bytes,
        quote: bytes,
        base_byte: int = 0,
        masks: MaskMaker | None = None,
        multibyte: str | None = None,
        traits: TextTraits | None = None,
    ) -> None:
        self._delimiters = delimiters
        self._quote = quote[0]
        self._starters = frozenset(delimiters + bytes((LF, CR)))
        self._masks = masks or MaskMaker()
        self._quotes = QuoteTracker()
        self._lines = LineTracker()
        self._trails = None if multibyte is None else TrailMask(multibyte)
        self._traits = traits
        self._at_field_start = True
        self._base_byte = base_byte
        self._ended_in_backslash = False
        self.has_backslash_quote = False
        """Whether there was a backslash before a quote, which suggests a dialect that is not CSV."""

    @property
    def open_quote_byte(self) -> int | None:
        """Offset in the content of the opening quote of the field that is open, or None."""
        return self._quotes.opened_byte if self._quotes.inside else None

    def feed(self, block: Block, *, want_delimiters: bool = False) -> tuple[LineEnds, Words | None]:
        """Return the line ends of a block that is not empty and, if wanted, its delimiters outside of quotes."""
        quotes, last_byte = self._masks.mask(block, self._quote), int(block.data[-1])
        trails = None if self._trails is None else self._trails.feed(block)
        lf = cr = delimiters = None
        if quotes is not None or not self._quotes.inside:
            lf, cr = self._masks.mask(block, LF), self._masks.mask(block, CR)
            if want_delimiters or quotes is not None:
                delimiters = self._masks.any_of(block, self._delimiters)
                delimiters = delimiters if trails is None else _common(delimiters, ~trails)
        inside = starters = None
        if quotes is None:
            self._quotes.pass_block()
        else:
            self._look_for_backslash(block, quotes)
            starters = bits.union(bits.union(lf, cr), delimiters)
            if starters is None:
                starters = bits.zeros(block.size)
            inside = self._quotes.mask_inside(
                quotes,
                starters,
                at_start=self._at_field_start,
                ends_in_quote=last_byte == self._quote,
                base_byte=self._base_byte,
            )
            outside = ~inside
            lf, cr, delimiters = _common(lf, outside), _common(cr, outside), _common(delimiters, outside)
        self._at_field_start = last_byte in self._starters and not (
            trails is not None and bits.is_set(trails, block.size - 1)
        )
        self._ended_in_backslash = last_byte == _BACKSLASH
        self._base_byte += block.size
        lines = self._lines.feed(lf, cr, size=block.size)
        if self._traits is not None:
            self._traits.look(
                block, quotes=quotes, inside=inside, starters=starters, starter_bytes=self._starters, lines=lines
            )
        return lines, delimiters

    def _look_for_backslash(self, block: Block, quotes: Words) -> None:
        if self.has_backslash_quote:
            return
        backslashes = self._masks.mask(block, _BACKSLASH)  # most blocks have none, and then this is cheap
        if backslashes is None:
            self.has_backslash_quote = self._ended_in_backslash and bits.is_set(quotes, 0)
        else:
            self.has_backslash_quote = bool((quotes & bits.shift_up(backslashes, self._ended_in_backslash)).any())

    def finish(self) -> LineEnds:
        """Treat the end of the content as the line end of the last record if it has none."""
        return self._lines.finish()

    def state(self) -> FinderState:
        """Return the state, which :meth:`restore` accepts."""
        return FinderState(
            quotes=self._quotes.state(),
            lines=self._lines.state(),
            in_character=self._trails is not None and self._trails.in_character,
            at_field_start=self._at_field_start,
            base_byte=self._base_byte,
            ended_in_backslash=self._ended_in_backslash,
            has_backslash_quote=self.has_backslash_quote,
        )

    def restore(self, state: FinderState) -> None:
        """Continue from ``state``, of a finder with the same arguments."""
        self._quotes.restore(state.quotes)
        self._lines.restore(state.lines)
        if self._trails is not None:
            self._trails.in_character = state.in_character
        self._at_field_start = state.at_field_start
        self._base_byte = state.base_byte
        self._ended_in_backslash = state.ended_in_backslash
        self.has_backslash_quote = state.has_backslash_quote


def _common(mask: Words | None, other: Words) -> Words | None:
    return None if mask is None else mask & other
