"""What is unusual in the text of a CSV, though valid here: other readers may read it differently."""

from __future__ import annotations

from csvscan import bits
from csvscan.bits import Block, MaskMaker, Words
from csvscan.line_tracker import CR, LF, LineEnds

_BACKSLASH = 0x5C


class TextTraits:
    """Counts line ends and irregularities in one block after the other, as a :class:`RecordFinder` reads them."""

    def __init__(self) -> None:
        self.lf = 0
        """Number of line ends that are a single LF, those of blank lines included."""
        self.crlf = 0
        """Number of line ends that are CRLF."""
        self.cr = 0
        """Number of line ends that are a single CR."""
        self.cr_before_crlf = 0
        """Number of CRs directly before a CRLF (``\\r\\r\\n``); they are in :attr:`cr` as well."""
        self.blank_lines = 0
        self.newlines_in_quotes = 0
        """Number of LFs and CRs within quotes."""
        self.quotes = 0
        self.doubled_quotes = 0
        """Number of quotes within quotes, written as two."""
        self.quotes_in_text = 0
        """Number of quotes that neither open nor close a field, as in ``5" pipe``."""
        self.text_after_quotes = 0
        """Number of closing quotes that text follows, as in ``"5"x``."""
        self.backslashes = 0
        self.backslashes_before_quotes = 0
        """Number of quotes after a backslash within quotes."""
        self._masks = MaskMaker()
        self._cr_ahead = (False, False)
        self._ended_in_backslash = False
        self._inside = False
        self._closed = False

    @property
    def ends_in_cr(self) -> bool:
        """Whether the last byte is a CR outside quotes, which may prove to be the first half of a CRLF."""
        return self._cr_ahead[1]

    def look(
        self,
        block: Block,
        *,
        quotes: Words | None,
        inside: Words | None,
        starters: Words | None,
        starter_bytes: frozenset[int],
        lines: LineEnds,
    ) -> None:
        """Examine a block.

        Args:
            block: the block.
            quotes: all its quotes, or None if it has none.
            inside: the bytes within quotes, opening quotes included; None if there are no quotes.
            starters: the delimiters, LFs and CRs, also those within quotes; None if there are no quotes.
            starter_bytes: delimiters, LF and CR.
            lines: its line ends.
        """
        lf, cr = self._masks.mask(block, LF), self._masks.mask(block, CR)
        if inside is not None:
            within = inside
        elif self._inside:
            within = ~bits.zeros(block.size)
        else:
            within = None
        for mask in (lf, cr):
            self.newlines_in_quotes += 0 if mask is None or within is None else bits.count(mask & within)
        outside = None if within is None else ~within
        self._count_line_ends(_common(lf, outside), _common(cr, outside), block)
        self._count_blank_lines(lines)
        self._count_backslashes(block, quotes, within)
        if quotes is not None and inside is not None:
            self._count_quotes(block, quotes, inside, starters)
        else:
            self.text_after_quotes += self._closed and int(block.data[0]) not in starter_bytes
            self._closed = False

    def _count_line_ends(self, lf: Words | None, cr: Words | None, block: Block) -> None:
        before, last = self._cr_ahead
        self._cr_ahead = (
            (last if block.size == 1 else cr is not None and bits.is_set(cr, block.size - 2)),
            cr is not None and bits.is_set(cr, block.size - 1),
        )
        crs = bits.zeros(block.size) if cr is None else cr
        ends = bits.zeros(block.size) if lf is None else lf
        after_cr = bits.shift_up(crs, last)
        crlf = bits.count(ends & after_cr)
        self.crlf += crlf
        self.lf += bits.count(ends) - crlf
        self.cr += bits.count(crs) - crlf
        self.cr_before_crlf += bits.count(ends & after_cr & bits.shift_up(after_cr, before))

    def _count_blank_lines(self, lines: LineEnds) -> None:
        self.blank_lines += lines.line_at_zero and not lines.row_at_zero
        if lines.all is not None and lines.rows is not lines.all:
            self.blank_lines += bits.count(lines.all) - (0 if lines.rows is None else bits.count(lines.rows))

    def _count_backslashes(self, block: Block, quotes: Words | None, within: Words | None) -> None:
        backslashes = self._masks.mask(block, _BACKSLASH)
        self.backslashes += 0 if backslashes is None else bits.count(backslashes)
        quoted = None if within is None else _common(backslashes, within)
        if quotes is not None:
            before = bits.shift_up(bits.zeros(block.size) if quoted is None else quoted, self._ended_in_backslash)
            self.backslashes_before_quotes += bits.count(quotes & before)
        self._ended_in_backslash = quoted is not None and bits.is_set(quoted, block.size - 1)

    def _count_quotes(self, block: Block, quotes: Words, inside: Words, starters: Words | None) -> None:
        toggles = inside ^ bits.shift_up(inside, self._inside)
        neighbours = quotes if starters is None else quotes | starters
        self.quotes += bits.count(quotes)
        self.quotes_in_text += bits.count(quotes & ~toggles)
        closing = quotes & toggles & ~inside
        after_closing = bits.shift_up(closing, self._closed)
        self.doubled_quotes += bits.count(quotes & toggles & inside & after_closing)
        self.text_after_quotes += bits.count(_upto(after_closing, block.size) & ~neighbours)
        self._inside = bits.is_set(inside, block.size - 1)
        self._closed = bits.is_set(closing, block.size - 1)


def _common(mask: Words | None, other: Words | None) -> Words | None:
    return mask if mask is None or other is None else mask & other


def _upto(mask: Words, size: int) -> Words:
    """Return ``mask`` without the bits at and beyond ``size``."""
    rest = size % bits.WORD_BITS
    if rest:
        mask = mask.copy()
        mask[-1] &= bits.WORD.type((1 << rest) - 1)
    return mask
