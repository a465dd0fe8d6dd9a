"""Scans buffers that start at the start of a row, and finds the whole rows in each."""

from __future__ import annotations

from dataclasses import dataclass

from csvscan.bits import Block, MaskMaker
from csvscan.dialect import Dialect
from csvscan.encoding import encoding_check
from csvscan.errors import BACKSLASH_HINT, invalid_encoding, nul_byte, unterminated_quote
from csvscan.field_counter import FieldCounter
from csvscan.record_finder import RecordFinder
from csvscan.rfc4180 import is_regular
from csvscan.scan import Scan


@dataclass(frozen=True, slots=True)
class WholeRows:
    """The whole rows at the start of a buffer.

    Attributes:
        size_bytes: their size; the rest of the buffer is the start of a row.
        rows: their number; blank lines do not count.
        has_ragged_row: whether a row has a different number of fields than expected.
        is_regular: whether there are no blank lines, and line ends and quotes are such that every CSV parser reads the
            same fields (:mod:`csvscan.rfc4180`).
    """

    size_bytes: int
    rows: int
    has_ragged_row: bool
    is_regular: bool


class BlockScanner:
    """Finds the whole rows in one buffer after the other.

    No parser state is carried over: the caller passes the bytes after the last whole row again, at the start of the
    next buffer. So memory holds a whole row, unlike with :class:`csvscan.scanner.Scanner`.

    Args:
        dialect: delimiter and quote.
        expected_fields: number of fields in the header.
        encoding: encoding in which the bytes must be valid (:func:`csvscan.encoding.check_encoding`).
        rows: number of rows before the first buffer.
        byte_offset: offset of the first buffer in the content.
    """

    def __init__(
        self, *, dialect: Dialect, expected_fields: int, encoding: str, rows: int = 0, byte_offset: int = 0
    ) -> None:
        self.rows = rows
        """Number of rows before the next buffer."""
        self.byte_offset = byte_offset
        """Offset of the next buffer in the content."""
        self._dialect = dialect
        self._expected_fields = expected_fields
        self._encoding = encoding
        self._masks = MaskMaker()

    def scan(self, buffer: bytes, *, is_last: bool = False) -> WholeRows | None:
        """Return the whole rows of ``buffer``, or None if no row ends in it.

        Args:
            buffer: content from ``byte_offset`` on; not empty.
            is_last: whether the content ends with it, so that the last row needs no line end.

        Raises:
            CsvFormatError: ``nul_byte``, ``invalid_encoding`` or ``unterminated_quote``.
        """
        finder = _finder(self._dialect, byte_offset=self.byte_offset, masks=self._masks)
        ends, delimiters = finder.feed(Block(buffer), want_delimiters=True)
        scan = Scan(ends.rows, at_zero=False)
        counter = FieldCounter(self._expected_fields)
        is_ragged = counter.feed(delimiters, ends.rows, row_at_zero=False) is not None
        end, rows = scan.last_end, scan.rows
        if is_last:
            self._check_quote(finder, rows)
            has_last_row = finder.finish().row_at_zero
            is_ragged = is_ragged or (has_last_row and counter.feed(None, None, row_at_zero=True) is not None)
            end, rows = len(buffer), rows + has_last_row
        if end is None:
            return None
        block = Block(memoryview(buffer)[:end])
        self._check_bytes(block, scan)
        has_blank_lines = ends.rows is not ends.all
        found = WholeRows(
            size_bytes=end,
            rows=rows,
            has_ragged_row=is_ragged,
            is_regular=not has_blank_lines and is_regular(block, delimiter=self._dialect.delimiter, masks=self._masks),
        )
        self.rows += rows
        self.byte_offset += end
        return found

    def _check_quote(self, finder: RecordFinder, rows: int) -> None:
        opened = finder.open_quote_byte
        if opened is not None:
            hint = BACKSLASH_HINT if finder.has_backslash_quote else ""
            raise unterminated_quote(self.rows + rows + 1, opened, hint=hint)

    def _check_bytes(self, block: Block, scan: Scan) -> None:
        """Raise for the first byte that is NUL or not valid in the encoding."""
        check = encoding_check(self._encoding)
        invalid = check.feed(block)
        if invalid is None and check.finish() is not None:
            invalid = block.size - 1
        nul = block.first_nul()
        if nul is not None and (invalid is None or nul < invalid):
            raise nul_byte(self.rows + scan.rows_before(nul) + 1, self.byte_offset + nul)
        if invalid is not None:
            row, byte = self.rows + scan.rows_before(invalid) + 1, self.byte_offset + invalid
            raise invalid_encoding(row, byte, self._encoding)


def scan_rows(block: bytes | bytearray | memoryview, dialect: Dialect) -> Scan:
    """Return the row ends of ``block``, which starts at the start of a row.

    A last row without a line end does not count, nor one that ends in a CR, after which an LF may follow.
    """
    viewed = Block(block)
    if not viewed.size:
        return Scan(None, at_zero=False)
    return Scan(_finder(dialect).feed(viewed)[0].rows, at_zero=False)


def _finder(dialect: Dialect, *, byte_offset: int = 0, masks: MaskMaker | None = None) -> RecordFinder:
    return RecordFinder(
        delimiters=dialect.delimiter,
        quote=dialect.quote,
        base_byte=byte_offset,
        masks=masks,
        multibyte=dialect.multibyte,
    )
