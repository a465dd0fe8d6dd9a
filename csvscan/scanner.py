"""Finds record ends and the first violation in the body of a CSV, block by block."""

from __future__ import annotations

from operator import itemgetter

from csvscan import bits
from csvscan.bits import Block, Words
from csvscan.columns import FieldCounter, RaggedRow
from csvscan.dialect import Dialect
from csvscan.encoding import UTF_8, encoding_check
from csvscan.errors import BACKSLASH_HINT, CsvFormatError, invalid_encoding, nul_byte, ragged_row, unterminated_quote
from csvscan.lines import LineEnds
from csvscan.records import RecordFinder
from csvscan.scan import Scan


class Scanner:
    """Scans the body of a CSV, that is, all that follows the header record.

    The result does not depend on how the body is cut into blocks; those of about 1 MiB are the fastest. Records are
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
        self._finder = RecordFinder(
            delimiters=dialect.delimiter, quote=dialect.quote, base_byte=byte_offset, multibyte=dialect.multibyte
        )
        self._encoding = encoding_check(encoding)
        self._detected_so_far = detected_so_far if encoding is None else UTF_8
        self._counter = FieldCounter(expected_fields) if strict and expected_fields is not None else None
        self._expected_fields = expected_fields or 0
        self._base_byte = byte_offset
        self._record_start = byte_offset

    @property
    def encoding(self) -> str:
        """The declared encoding; else ``utf-8`` if all bytes so far were valid UTF-8, or ``unknown-8bit``."""
        return self._encoding.encoding if self._detected_so_far == UTF_8 else self._detected_so_far

    def feed(self, block: bytes | bytearray | memoryview) -> Scan:
        """Scan the next block of the body.

        Raises:
            CsvFormatError: for the first violation that the content up to here shows. The scanner is of no use then.
        """
        viewed = Block(block)
        if not viewed.size:
            return Scan(None, at_zero=False)
        ends, delimiters = self._finder.feed(viewed, want_delimiters=self._counter is not None)
        scan = Scan(ends.rows, at_zero=ends.row_at_zero)
        self._raise_first(viewed, scan, ends, self._first_ragged(delimiters, ends))
        self._advance(viewed.size, scan, ends)
        return scan

    def finish(self) -> Scan:
        """End the content: a last record without a line end counts, and ends at offset 0.

        Raises:
            CsvFormatError: for a quote that is never closed, a sequence cut off, or a last row that is ragged.
        """
        cut_off = self._encoding.finish()
        if cut_off is not None:
            raise invalid_encoding(self.rows + 1, self._base_byte + cut_off, self.encoding)
        opened = self._finder.open_quote_byte
        if opened is not None:
            raise unterminated_quote(self.rows + 1, opened, hint=self._quote_hint)
        ends = self._finder.finish()
        scan = Scan(None, at_zero=ends.row_at_zero)
        ragged = self._first_ragged(None, ends)
        if ragged is not None:
            raise self._ragged_row(ragged, ends)
        self._advance(0, scan, ends)
        return scan

    def _first_ragged(self, delimiters: Words | None, ends: LineEnds) -> RaggedRow | None:
        if self._counter is None:
            return None
        return self._counter.feed(delimiters, ends.rows, row_at_zero=ends.row_at_zero)

    def _raise_first(self, block: Block, scan: Scan, ends: LineEnds, ragged: RaggedRow | None) -> None:
        """Raise for the violation whose deciding byte comes first in the block."""
        faults: list[tuple[int, CsvFormatError]] = []
        if ragged is not None:
            faults.append((ragged.end - 1, self._ragged_row(ragged, ends)))
        invalid = self._encoding.feed(block)
        if invalid is not None:
            row, byte = self.rows + scan.rows_before(invalid) + 1, self._base_byte + invalid
            faults.append((invalid, invalid_encoding(row, byte, self.encoding)))
        nul = block.first_nul()
        if nul is not None:
            faults.append((nul, nul_byte(self.rows + scan.rows_before(nul) + 1, self._base_byte + nul)))
        if faults:
            raise min(faults, key=itemgetter(0))[1]

    def _ragged_row(self, ragged: RaggedRow, ends: LineEnds) -> CsvFormatError:
        """Work out where the row starts: behind the line end before, be it that of a blank line."""
        start = self._record_start
        if ragged.end > 0:
            before = None if ends.all is None else bits.last_below(ends.all, ragged.end - 1)
            if before is not None:
                start = self._base_byte + before + 1
            elif ends.line_at_zero:
                start = self._base_byte
        row = self.rows + ragged.number
        return ragged_row(row, start, expected=self._expected_fields, found=ragged.found, hint=self._quote_hint)

    @property
    def _quote_hint(self) -> str:
        return BACKSLASH_HINT if self._finder.has_backslash_quote else ""

    def _advance(self, size: int, scan: Scan, ends: LineEnds) -> None:
        last = None if ends.all is None else bits.last(ends.all)
        if last is not None:
            self._record_start = self._base_byte + last + 1
        elif ends.line_at_zero:
            self._record_start = self._base_byte
        self.rows += scan.rows
        self.bytes_scanned += size
        self._base_byte += size
