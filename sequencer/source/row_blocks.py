"""Cuts the content of a file into blocks of whole rows, each described without looking at it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from csvscan.bits import Block, MaskMaker
from csvscan.columns import FieldCounter
from csvscan.encoding import encoding_check
from csvscan.errors import BACKSLASH_HINT, CsvFormatError, invalid_encoding, nul_byte, unterminated_quote
from csvscan.header import Header
from csvscan.records import RecordFinder
from csvscan.scan import Scan
from sequencer.errors import BadRowError
from sequencer.model.blocks import RecordBlock
from sequencer.model.source_position import SourcePosition
from sequencer.source.pieces import cut_up
from sequencer.source.rfc4180 import is_regular

BLOCK_BYTES = 2 * 1024 * 1024
"""Large enough that calls per block cost little, small enough to stay in the processor's caches."""
LONGEST_ROW_BYTES = 64 * 1024 * 1024
"""Far beyond what a message can hold; without a bound a quote that is not closed would take all memory."""


class RowBlocks:
    """The blocks of one file.

    Each starts at the start of a row, so that nothing is carried over but bytes: a row cut off by the end of a read is
    scanned again with the next one.

    Args:
        header: of the file.
        source_file: its name.
        start: the place that ``pieces`` starts at.
        encoding: what the bytes must be valid in.
    """

    def __init__(self, *, header: Header, source_file: str, start: SourcePosition, encoding: str) -> None:
        self._dialect = header.dialect
        self._fields = len(header.fields)
        self._source_file = source_file
        self._encoding = encoding
        self._masks = MaskMaker()
        self._place = start

    def split(self, pieces: Iterable[bytes]) -> Iterator[RecordBlock]:
        """Give the blocks of ``pieces``, which are the content from ``start`` on.

        Raises:
            BadRowError: an open quote, a NUL byte, or bytes that the encoding does not have; row and byte are named.
        """
        held: list[bytes | memoryview] = []
        size, wanted = 0, BLOCK_BYTES
        for piece in cut_up(pieces, BLOCK_BYTES):  # a large range of S3 must not make large blocks
            held.append(piece)
            size += len(piece)
            if size < wanted:
                continue
            buffer = b"".join(held)
            block = self._block(buffer, final=False)
            if block is None and size > LONGEST_ROW_BYTES:
                raise self._too_long()
            rest = buffer if block is None else buffer[len(block.data) :]
            if block is not None:
                yield block
            held, size = [rest], len(rest)
            wanted = max(BLOCK_BYTES, 2 * size)  # a row of many megabytes is not scanned again for each piece
        if size and (block := self._block(b"".join(held), final=True)) is not None:
            yield block

    def _block(self, buffer: bytes, *, final: bool) -> RecordBlock | None:
        finder = RecordFinder(
            delimiters=self._dialect.delimiter,
            quote=self._dialect.quote,
            base_byte=self._place.byte_offset,
            masks=self._masks,
        )
        ends, delimiters = finder.feed(Block(buffer), want_delimiters=True)
        scan = Scan(ends.rows, at_zero=False)
        counter = FieldCounter(self._fields)
        ragged = counter.feed(delimiters, ends.rows, row_at_zero=False) is not None
        end, rows = scan.last_end, scan.rows
        if final:
            if finder.open_quote_byte is not None:
                hint = BACKSLASH_HINT if finder.has_backslash_quote else ""
                raise self._bad(unterminated_quote(self._place.line + rows + 1, finder.open_quote_byte, hint=hint))
            last = finder.finish().row_at_zero
            ragged = ragged or (last and counter.feed(None, None, row_at_zero=True) is not None)
            end, rows = len(buffer), rows + last
        if end is None:
            return None
        blank_lines = ends.rows is not ends.all
        return self._described(buffer[:end], rows, scan, ragged=ragged, blank_lines=blank_lines)

    def _described(self, data: bytes, rows: int, scan: Scan, *, ragged: bool, blank_lines: bool) -> RecordBlock:
        block = Block(data)
        self._check_bytes(block, scan)
        start = self._place
        self._place = SourcePosition(start.line + rows, start.source_index, start.byte_offset + len(data))
        return RecordBlock(
            data=data,
            rows=rows,
            start=start,
            end=self._place,
            source_file=self._source_file,
            ragged=ragged,
            irregular=blank_lines or not is_regular(block, delimiter=self._dialect.delimiter[0], masks=self._masks),
        )

    def _check_bytes(self, block: Block, scan: Scan) -> None:
        check = encoding_check(self._encoding)
        invalid = check.feed(block)
        if invalid is None and check.finish() is not None:
            invalid = block.size - 1
        nul = block.first_nul()
        if nul is not None and (invalid is None or nul < invalid):
            row, byte = self._place.line + scan.rows_before(nul) + 1, self._place.byte_offset + nul
            raise self._bad(nul_byte(row, byte))
        if invalid is not None:
            row, byte = self._place.line + scan.rows_before(invalid) + 1, self._place.byte_offset + invalid
            raise self._bad(invalid_encoding(row, byte, self._encoding), hint="; --encoding says what the bytes are")

    def _too_long(self) -> BadRowError:
        row, byte = self._place.line + 1, self._place.byte_offset
        return BadRowError(
            f"{self._source_file}: row {row}, which begins at byte {byte}, does not end within {LONGEST_ROW_BYTES} "
            "bytes: look for a quote in it, or in the row before, that is not closed",
            row=row,
            byte=byte,
        )

    def _bad(self, error: CsvFormatError, *, hint: str = "") -> BadRowError:
        more = f"; {error.hint}" if error.hint else ""
        return BadRowError(f"{self._source_file}: {error.message}{more}{hint}", row=error.row, byte=error.byte)
