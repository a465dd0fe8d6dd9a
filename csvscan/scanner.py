"""Finds record ends and the first violation in the body of a CSV, block by block."""

from __future__ import annotations

from operator import itemgetter

from csvscan import bits
from csvscan.bits import Block, Words
from csvscan.dialect import Dialect
from csvscan.encoding import UTF_8, encoding_check
from csvscan.errors import BACKSLASH_HINT, CsvFormatError, invalid_encoding, nul_byte, ragged_row, unterminated_quote
from csvscan.field_counter import FieldCounter, RaggedRow
from csvscan.line_tracker import LineEnds
from csvscan.record_finder import RecordFinder
from csvscan.scan import Scan
from csvscan.scanner_state import ScannerState


class Scanner:
    """Scans the body of a CSV, that is, the content after the header record.

    The result does not depend on how the body is cut into blocks; blocks of about 1 MiB are the fastest. The records
    are those that Python's ``csv`` reads. Memory use does not grow with the length of a record.

    Args:
        dialect: delimiter and quote.
        expected_fields: number of fields in the header, for ``strict``; None if it is not checked.
        strict: whether a row with a different number of fields is a violation.
        encoding: encoding in which the bytes must be valid (:func:`csvscan.encoding.check_encoding`), or None to accept
            all bytes.
        byte_offset: offset of the body in the content, for errors.
        detected_so_far: encoding of the header, if none was declared.

    Raises:
        UnsupportedEncodingError: the encoding cannot be checked.
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
        """The declared encoding; if none, ``utf-8`` as long as all bytes are valid UTF-8, else ``unknown-8bit``."""
        return self._encoding.encoding if self._detected_so_far == UTF_8 else self._detected_so_far

    def feed(self, block: bytes | bytearray | memoryview) -> Scan:
        """Scan the next block of the body.

        Raises:
            CsvFormatError: the first violation in the content so far. The scanner cannot be used after that.
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
        """End the content. A last record without a line end counts, and ends at offset 0.

        Raises:
            CsvFormatError: ``unterminated_quote``, ``invalid_encoding`` or ``ragged_row``.
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

    def state(self) -> ScannerState:
        """Return the state between two blocks, which :meth:`restore` accepts; not after a violation."""
        return ScannerState(
            rows=self.rows,
            bytes_scanned=self.bytes_scanned,
            record_start=self._record_start,
            open_separators=0 if self._counter is None else self._counter.open_separators,
            finder=self._finder.state(),
            encoding=self._encoding.state(),
        )

    def restore(self, state: ScannerState) -> None:
        """Continue after the bytes that a scanner with the same arguments had scanned, as if this one had."""
        self._base_byte += state.bytes_scanned - self.bytes_scanned
        self.rows, self.bytes_scanned = state.rows, state.bytes_scanned
        self._record_start = state.record_start
        if self._counter is not None:
            self._counter.open_separators = state.open_separators
        self._finder.restore(state.finder)
        self._encoding.restore(state.encoding)

    def _first_ragged(self, delimiters: Words | None, ends: LineEnds) -> RaggedRow | None:
        if self._counter is None:
            return None
        return self._counter.feed(delimiters, ends.rows, row_at_zero=ends.row_at_zero)

    def _raise_first(self, block: Block, scan: Scan, ends: LineEnds, ragged: RaggedRow | None) -> None:
        """Raise the violation whose proving byte comes first in the block."""
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
        """Return the error; the row starts after the line end before it, be that of a row or of a blank line."""
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
