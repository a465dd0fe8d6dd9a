"""Cuts the content of a file into blocks of whole rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from csvscan import BlockScanner, CsvFormatError, Header
from sequencer.errors import BadRowError
from sequencer.model.blocks import RowBlock
from sequencer.model.source_position import SourcePosition
from sequencer.source.pieces import cut_up

BLOCK_BYTES = 2 * 1024 * 1024
"""Large enough that calls per block cost little, small enough to stay in the processor's caches."""
MAX_ROW_BYTES = 64 * 1024 * 1024
"""Far more than a Kafka record can hold; without a limit an unterminated quote would use up the memory."""
_ENCODING_HINT = "; --encoding declares another encoding"


class RowBlockReader:
    """The blocks of one file.

    Each block starts at the start of a row, so that only bytes are carried over: a row that is cut off by the end of a
    read is scanned again together with the next one.

    Args:
        header: header of the file.
        source_file: name of the file.
        start: position of the first byte in the source.
        encoding: encoding in which the bytes must be valid.
        block_bytes: size of a block, unless a single row is longer.
        max_row_bytes: size of the longest row that is read.
    """

    def __init__(
        self,
        *,
        header: Header,
        source_file: str,
        start: SourcePosition,
        encoding: str,
        block_bytes: int = BLOCK_BYTES,
        max_row_bytes: int = MAX_ROW_BYTES,
    ) -> None:
        self._source_file = source_file
        self._position = start
        self._block_bytes = block_bytes
        self._max_row_bytes = max_row_bytes
        self._scanner = BlockScanner(
            dialect=header.dialect,
            expected_fields=len(header.fields),
            encoding=encoding,
            rows=start.line,
            byte_offset=start.byte_offset,
        )

    def read(self, pieces: Iterable[bytes | memoryview]) -> Iterator[RowBlock]:
        """Yield the blocks of ``pieces``, which are the content from ``start`` on.

        Raises:
            BadRowError: an unterminated quote, a NUL byte, bytes that are not valid in the encoding, or a row that is
                too long; row and byte are named.
        """
        held: list[bytes | memoryview] = []
        size, wanted = 0, self._block_bytes
        for piece in cut_up(pieces, self._block_bytes):  # a large range from S3 must not become a large block
            held.append(piece)
            size += len(piece)
            if size < wanted:
                continue
            buffer = b"".join(held)
            block = self._block(buffer, is_last=False)
            if block is None and size > self._max_row_bytes:
                raise self._row_too_long()
            rest = buffer if block is None else buffer[len(block.data) :]
            if block is not None:
                yield block
            held, size = [rest], len(rest)
            wanted = max(self._block_bytes, 2 * size)  # a row of many megabytes is not scanned again for each piece
        if size and (block := self._block(b"".join(held), is_last=True)) is not None:
            yield block

    def _block(self, buffer: bytes, *, is_last: bool) -> RowBlock | None:
        try:
            found = self._scanner.scan(buffer, is_last=is_last)
        except CsvFormatError as error:
            raise self._bad_row(error) from None
        if found is None:
            return None
        start = self._position
        self._position = SourcePosition(self._scanner.rows, start.source_index, self._scanner.byte_offset)
        return RowBlock(
            data=buffer[: found.size_bytes],
            rows=found.rows,
            start=start,
            end=self._position,
            source_file=self._source_file,
            ragged=found.has_ragged_row,
            irregular=not found.is_regular,
        )

    def _row_too_long(self) -> BadRowError:
        row, byte = self._position.line + 1, self._position.byte_offset
        return BadRowError(
            f"{self._source_file}: row {row}, which starts at byte {byte}, is longer than {self._max_row_bytes} bytes: "
            "look for an unterminated quote in it or in the row before",
            row=row,
            byte=byte,
        )

    def _bad_row(self, error: CsvFormatError) -> BadRowError:
        hint = f"; {error.hint}" if error.hint else ""
        if error.code == "invalid_encoding":
            hint += _ENCODING_HINT
        return BadRowError(f"{self._source_file}: {error.message}{hint}", row=error.row, byte=error.byte)
