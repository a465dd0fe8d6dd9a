"""Finds record ends and violations in the body of a CSV, block by block."""

from __future__ import annotations

from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from csvscan import bits
from csvscan.bits import Block, Bytes, Words
from csvscan.block_faults import BlockFaults
from csvscan.deviations import DeviationCounter, Deviations
from csvscan.dialect import Dialect
from csvscan.encoding import UTF_8, encoding_check
from csvscan.errors import BACKSLASH_HINT, CsvFormatError, invalid_encoding, nul_byte, ragged_row, unterminated_quote
from csvscan.fault_log import FaultLog
from csvscan.field_counter import FieldCounter, RaggedRow
from csvscan.line_tracker import LineEnds
from csvscan.record_finder import RecordFinder
from csvscan.row_fields import RowFields
from csvscan.scan import Scan
from csvscan.scanner_state import ScannerState
from csvscan.strictness import Strictness
from csvscan.text_traits import TextTraits

_NO_BYTES: Bytes = np.zeros(0, dtype=np.uint8)


class Scanner:
    """Scans the body of a CSV, that is, the content after the header record.

    The result does not depend on how the body is cut into blocks; blocks of about 1 MiB are the fastest. The records
    are those that Python's ``csv`` reads. Memory use does not grow with the length of a record.

    Args:
        dialect: delimiter and quote.
        expected_fields: number of fields in the header; None if it is not checked.
        strictness: which rows with a different number of fields are violations.
        encoding: encoding in which the bytes must be valid (:func:`csvscan.encoding.check_encoding`), or None to accept
            all bytes.
        byte_offset: offset of the body in the content, for errors.
        detected_so_far: encoding of the header, if none was declared.
        faults: receives the violations, so that the scan continues after them; None to end it with the first one.
        traits: receives what is unusual in the text.

    Raises:
        UnsupportedEncodingError: the encoding cannot be checked.
    """

    def __init__(
        self,
        *,
        dialect: Dialect,
        expected_fields: int | None,
        strictness: Strictness = Strictness.STRICT,
        encoding: str | None = None,
        byte_offset: int = 0,
        detected_so_far: str = UTF_8,
        faults: FaultLog | None = None,
        traits: TextTraits | None = None,
    ) -> None:
        self.rows = 0
        """Number of rows that have ended so far."""
        self.bytes_scanned = 0
        """Number of bytes fed so far."""
        self._finder = RecordFinder(
            delimiters=dialect.delimiter,
            quote=dialect.quote,
            base_byte=byte_offset,
            multibyte=dialect.multibyte,
            traits=traits,
        )
        self._encoding = encoding_check(encoding)
        self._detected_so_far = detected_so_far if encoding is None else UTF_8
        is_counted = strictness is not Strictness.OFF and expected_fields is not None
        self._counter = FieldCounter(expected_fields) if is_counted and expected_fields is not None else None
        self._deviations = DeviationCounter() if strictness is Strictness.LENIENT else None
        self._expected_fields = expected_fields or 0
        self._base_byte = byte_offset
        self._record_start = byte_offset
        self._log = faults
        self._block_faults = None if faults is None else BlockFaults(log=faults, check=self._encoding)

    @property
    def encoding(self) -> str:
        """The declared encoding; if none, ``utf-8`` as long as all bytes are valid UTF-8, else ``unknown-8bit``."""
        return self._encoding.encoding if self._detected_so_far == UTF_8 else self._detected_so_far

    @property
    def deviations(self) -> Deviations | None:
        """What a lenient scan has accepted so far; None if it is not lenient."""
        return None if self._deviations is None else self._deviations.counts

    def feed(self, block: bytes | bytearray | memoryview) -> Scan:
        """Scan the next block of the body.

        Raises:
            CsvFormatError: the first violation in the content so far, unless there is a log. The scanner cannot be used
                after that.
        """
        viewed = Block(block)
        if not viewed.size:
            return Scan(None, at_zero=False)
        ends, delimiters = self._finder.feed(viewed, want_delimiters=self._counter is not None)
        scan = Scan(ends.rows, at_zero=ends.row_at_zero)
        ragged = self._ragged_rows(viewed.data, delimiters, ends)
        invalid = self._first_invalid(viewed, scan)
        if ragged or invalid is not None or viewed.first_nul() is not None:
            self._add_faults(viewed, scan, ragged=ragged, invalid=invalid)
        if self._deviations is not None:
            self._deviations.pass_block(viewed, delimiters, ends)
        self._advance(viewed.size, scan, ends)
        return scan

    def finish(self) -> Scan:
        """End the content. A last record without a line end counts, and ends at offset 0.

        Raises:
            CsvFormatError: ``unterminated_quote``, ``invalid_encoding`` or ``ragged_row``, unless there is a log.
        """
        cut_off = self._encoding.finish()
        if cut_off is not None:
            self._raise_or_add(invalid_encoding(self.rows + 1, self._base_byte + cut_off, self.encoding))
        opened = self._finder.open_quote_byte
        if opened is not None:
            self._raise_or_add(unterminated_quote(self.rows + 1, opened, hint=self._quote_hint))
            return Scan(None, at_zero=False)
        ends = self._finder.finish()
        scan = Scan(None, at_zero=ends.row_at_zero)
        ragged = self._ragged_rows(_NO_BYTES, None, ends)
        if ragged and self._log is None:
            raise ragged[0][1]
        if self._log is not None:
            self._log.describe(fault for _, fault in ragged)
        if self._deviations is not None:
            self._deviations.pass_lines(ends)
        self._advance(0, scan, ends)
        return scan

    def _raise_or_add(self, fault: CsvFormatError) -> None:
        if self._log is None:
            raise fault
        self._log.add_error(fault)

    def _ragged_rows(self, data: Bytes, delimiters: Words | None, ends: LineEnds) -> list[tuple[int, CsvFormatError]]:
        """Count the fields; return the first ragged rows that are not accepted, with the byte that proves each."""
        if self._counter is None:
            return []
        opened = self._counter.open_separators
        first = self._counter.feed(delimiters, ends.rows, row_at_zero=ends.row_at_zero)
        if first is None:
            return []
        if self._log is None and self._deviations is None:
            return [(first.end - 1, self._ragged_row(first, ends))]
        fields = RowFields.of(ends, delimiters, size=data.size, open_separators=opened)
        self._counter.open_separators = fields.open_separators
        surplus = fields.counts - self._expected_fields
        ragged = surplus != 0
        if self._deviations is not None:
            ragged &= ~self._deviations.accept(data, fields, surplus)
        return self._ragged_of(fields, np.flatnonzero(ragged), ends)

    def _ragged_of(
        self, fields: RowFields, numbers: NDArray[np.int64], ends: LineEnds
    ) -> list[tuple[int, CsvFormatError]]:
        """Count the ragged rows and return the first ones; ``numbers`` are their indices."""
        room = 1
        if self._log is not None:
            self._log.add("ragged_row", numbers.size)
            room = self._log.room
        rows = [
            RaggedRow(number=number + 1, end=int(fields.ends[number]), found=int(fields.counts[number]))
            for number in numbers[:room].tolist()
        ]
        return [(row.end - 1, self._ragged_row(row, ends)) for row in rows]

    def _first_invalid(self, block: Block, scan: Scan) -> int | None:
        if self._block_faults is not None and self._block_faults.in_invalid_row:
            return self._block_faults.check_rest_of_row(block, scan)
        return self._encoding.feed(block)

    def _add_faults(
        self, block: Block, scan: Scan, *, ragged: list[tuple[int, CsvFormatError]], invalid: int | None
    ) -> None:
        """Add the violations of the block to the log, or raise the one whose proving byte comes first."""
        if self._block_faults is not None:
            self._block_faults.add(
                block, scan, rows=self.rows, base_byte=self._base_byte, invalid=invalid, ragged=ragged
            )
            return
        faults = list(ragged)
        if invalid is not None:
            row, byte = self.rows + scan.rows_before(invalid) + 1, self._base_byte + invalid
            faults.append((invalid, invalid_encoding(row, byte, self.encoding)))
        nul = block.first_nul()
        if nul is not None:
            faults.append((nul, nul_byte(self.rows + scan.rows_before(nul) + 1, self._base_byte + nul)))
        raise min(faults, key=itemgetter(0))[1]

    def state(self) -> ScannerState:
        """Return the state between two blocks, which :meth:`restore` accepts; not after a violation."""
        return ScannerState(
            rows=self.rows,
            bytes_scanned=self.bytes_scanned,
            record_start=self._record_start,
            open_separators=0 if self._counter is None else self._counter.open_separators,
            finder=self._finder.state(),
            encoding=self._encoding.state(),
            deviations=None if self._deviations is None else self._deviations.state(),
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
        if self._deviations is not None and state.deviations is not None:
            self._deviations.restore(state.deviations)

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
