"""What can be wrong with a CSV, said in terms of rows and bytes."""

from __future__ import annotations


class CsvFormatError(Exception):
    """The first violation of the rules of CSV in a content.

    The order is that of the byte that settles the matter: the NUL itself, the start of an invalid sequence, the line
    end of a ragged row, the end of the content for a quote that is never closed. It does not depend on how the content
    was cut into blocks.

    Attributes:
        code: ``unterminated_quote``, ``nul_byte``, ``invalid_encoding``, ``ragged_row``, ``empty_file`` or
            ``header_too_long``; stable.
        row: the data row, from 1; 0 is the header.
        byte: where to look, as an offset from 0 in the content: the opening quote, the NUL, the first byte of the
            invalid sequence, the first byte of the ragged row.
        expected: what should stand there, in words.
        found: what stands there, in words.
        message: all of it in one sentence.
    """

    def __init__(self, code: str, *, row: int, byte: int, expected: str, found: str) -> None:
        self.code = code
        self.row = row
        self.byte = byte
        self.expected = expected
        self.found = found
        place = "header" if row == 0 else f"row {row}"
        self.message = f"{place}, byte {byte}: expected {expected}, found {found}"
        super().__init__(self.message)
