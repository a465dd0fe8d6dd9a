"""Finds record ends and the first violation in the body of a CSV, block by block."""

from __future__ import annotations

from csvscan import bits
from csvscan.bits import Block, MaskMaker, Words, as_block
from csvscan.columns import FieldCounter, RaggedRow
from csvscan.dialect import Dialect
from csvscan.encoding import UTF_8, EncodingCheck
from csvscan.errors import CsvFormatError
from csvscan.lines import CR, LF, LineEnds, LineTracker
from csvscan.quotes import QuoteTracker
from csvscan.scan import Scan


class RecordFinder:
    """The bare search for record ends, with state carried over the blocks. ``delimiters`` may be several bytes."""

    def __init__(self, *, delimiters: bytes, quote: bytes, base_byte: int = 0) -> None:
        self._delimiters = delimiters
        self._quote = quote[0]
        self._starters = frozenset(delimiters + bytes((LF, CR)))
        self._masks = MaskMaker()
        self._quotes = QuoteTracker()
        self._lines = LineTracker()
        self._field_starts = True
        self._base_byte = base_byte

    @property
    def open_quote_byte(self) -> int | None:
        """Offset in the content of the opening quote that has no closing one so far."""
        return self._quotes.opened_byte if self._quotes.inside else None

    def feed(self, block: Block, *, want_delimiters: bool = False) -> tuple[LineEnds, Words | None]:
        """Return the line ends of a block that is not empty, and its delimiters outside of quotes where wanted."""
        size, last_byte = block.size, int(block[-1])
        quotes = self._masks.mask(block, self._quote)
        if quotes is None and self._quotes.inside:
            lf = cr = delimiters = None
        else:
            lf, cr = self._masks.mask(block, LF), self._masks.mask(block, CR)
            delimiters = self._masks.any_of(block, self._delimiters) if want_delimiters or quotes is not None else None
        if quotes is None:
            self._quotes.pass_block()
        else:
            starters = _union(_union(lf, cr), delimiters)
            at_start = bits.shift_up(bits.zeros(size) if starters is None else starters, self._field_starts)
            outside = ~self._quotes.mask_inside(
                quotes, at_start, ends_in_quote=last_byte == self._quote, base_byte=self._base_byte
            )
            lf, cr, delimiters = _common(lf, outside), _common(cr, outside), _common(delimiters, outside)
        self._field_starts = last_byte in self._starters
        self._base_byte += size
        return self._lines.feed(lf, cr, size=size), delimiters

    def finish(self) -> LineEnds:
        """Take the end of the content for the line end of the last record, where that is missing."""
        return self._lines.finish()


class Scanner:
    """Scans the body of a CSV, that is, all that follows the header record.

    The result does not depend on how the body is cut into blocks; blocks of about 1 MB are the fastest. Records are
    those that Python's ``csv`` reads. Memory stays flat whatever a record's length.

    Args:
        dialect: delimiter and quote.
        expected_fields: the header's number of fields, for ``strict``; None: it is not checked.
        strict: whether a row with another number of fields is a violation.
        encoding: what the bytes must be valid in (:func:`csvscan.encoding.check_encoding`), or None: anything goes.
        byte_offset: where the body starts in the content; for the places that errors name.
        detected_so_far: what the header was found to be, where no encoding was declared.

    Raises:
        UnsupportedEncodingError: for an encoding that cannot be checked.
    """

    def __init__(
        self,
        *,
        dialect: Dialect,
        expected_fields: int | None,
        strict: bool = True,
        encoding: str | None = None,
        byte_offset: int = 0,
        detected_so_far: str = UTF_8,
    ) -> None:
        self.rows = 0
        """Number of rows that have ended so far."""
        self.bytes_scanned = 0
        """Number of bytes fed so far."""
        self._finder = RecordFinder(delimiters=dialect.delimiter, quote=dialect.quote, base_byte=byte_offset)
        self._encoding = EncodingCheck(encoding)
        self._detected_so_far = detected_so_far if encoding is None else UTF_8
        self._counter = FieldCounter(expected_fields) if strict and expected_fields is not None else None
        self._expected_fields = expected_fields
        self._base_byte = byte_offset
        self._record_start = byte_offset

    @property
    def encoding(self) -> str:
        """The declared encoding; else ``utf-8`` if all bytes so far were valid UTF-8, or ``unknown-8bit``."""
        return self._encoding.detected if self._detected_so_far == UTF_8 else self._detected_so_far

    def feed(self, block: bytes | bytearray | memoryview) -> Scan:
        """Scan the next block of the body.

        Raises:
            CsvFormatError: for the first violation that the content up to here shows. The scanner is of no use then.
        """
        data = as_block(block)
        if not data.size:
            return Scan(None, at_zero=False)
        ends, delimiters = self._finder.feed(data, want_delimiters=self._counter is not None)
        scan = Scan(ends.rows, at_zero=ends.row_at_zero)
        ragged = self._count_fields(delimiters, ends)
        self._raise_first(data, scan, ends, ragged)
        self._advance(data.size, scan, ends)
        return scan

    def finish(self) -> Scan:
        """End the content: a last record without a line end counts, and ends at offset 0.

        Raises:
            CsvFormatError: for a quote that is never closed, a sequence cut off, or a last row that is ragged.
        """
        cut_off = self._encoding.finish()
        if cut_off is not None:
            raise self._invalid_encoding(self.rows + 1, cut_off, "the end of the content within a sequence")
        opened = self._finder.open_quote_byte
        if opened is not None:
            raise CsvFormatError(
                "unterminated_quote",
                row=self.rows + 1,
                byte=opened,
                expected="a closing quote for the one that opens here",
                found="the end of the content",
            )
        ends = self._finder.finish()
        scan = Scan(None, at_zero=ends.row_at_zero)
        ragged = self._count_fields(None, ends)
        if ragged is not None:
            raise self._ragged(ragged, ends)
        self._advance(0, scan, ends)
        return scan

    def _count_fields(self, delimiters: Words | None, ends: LineEnds) -> RaggedRow | None:
        if self._counter is None:
            return None
        return self._counter.feed(delimiters, ends.rows, row_at_zero=ends.row_at_zero)

    def _raise_first(self, data: Block, scan: Scan, ends: LineEnds, ragged: RaggedRow | None) -> None:
        nul = int(data.argmin()) if data.min() == 0 else None
        invalid = self._encoding.feed(data)
        places = {
            "nul": nul,
            "invalid": invalid,
            "ragged": None if ragged is None else ragged.end - 1,
        }
        found = {name: place for name, place in places.items() if place is not None}
        if not found:
            return
        name = min(found, key=lambda key: found[key])
        row = self.rows + scan.rows_before(found[name]) + 1
        if name == "ragged":
            assert ragged is not None
            raise self._ragged(ragged, ends)
        if name == "invalid":
            raise self._invalid_encoding(row, found[name], "bytes that are none")
        raise CsvFormatError(
            "nul_byte", row=row, byte=self._base_byte + found[name], expected="text", found="a NUL byte"
        )

    def _ragged(self, ragged: RaggedRow, ends: LineEnds) -> CsvFormatError:
        start = self._record_start
        if ends.line_at_zero and ragged.end > 0:
            start = self._base_byte
        if ends.all is not None and ragged.end > 0:
            before = bits.last_below(ends.all, ragged.end - 1)
            start = start if before is None else self._base_byte + before + 1
        return CsvFormatError(
            "ragged_row",
            row=self.rows + ragged.number,
            byte=start,
            expected=_fields(self._expected_fields or 0),
            found=_fields(ragged.found),
        )

    def _invalid_encoding(self, row: int, place: int, found: str) -> CsvFormatError:
        return CsvFormatError(
            "invalid_encoding",
            row=row,
            byte=self._base_byte + place,
            expected=f"text in {self.encoding}",
            found=found,
        )

    def _advance(self, size: int, scan: Scan, ends: LineEnds) -> None:
        last = None if ends.all is None else bits.last(ends.all)
        if last is not None:
            self._record_start = self._base_byte + last + 1
        elif ends.line_at_zero:
            self._record_start = self._base_byte
        self.rows += scan.rows
        self.bytes_scanned += size
        self._base_byte += size


def _union(left: Words | None, right: Words | None) -> Words | None:
    if left is None or right is None:
        return right if left is None else left
    return left | right


def _common(mask: Words | None, other: Words) -> Words | None:
    if mask is None:
        return None
    both = mask & other
    return both if both.any() else None


def _fields(number: int) -> str:
    return "1 field" if number == 1 else f"{number} fields"
