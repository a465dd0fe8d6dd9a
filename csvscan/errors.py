"""What can be wrong with a CSV, said in terms of rows and bytes."""

from __future__ import annotations


class CsvFormatError(Exception):
    """The first violation of the rules of CSV in a content.

    The order is that of the byte that settles the matter: the NUL itself, the start of an invalid sequence, the line
    end of a ragged row, the end of the content for a quote that is never closed. It does not depend on how the content
    was cut into blocks.

    Attributes:
        code: ``unterminated_quote``, ``nul_byte``, ``invalid_encoding``, ``ragged_row``, ``empty_file``,
            ``header_too_long`` or ``not_csv``; stable.
        row: the data row, from 1; 0 is the header.
        byte: where to look, as an offset from 0 in the content: the opening quote, the NUL, the first byte of the
            invalid sequence, the first byte of the ragged row.
        expected: what should stand there, in words.
        found: what stands there, in words.
        hint: what to do, where more is known than the code tells; else empty.
        message: row, byte, expected and found in one sentence.
    """

    def __init__(self, code: str, *, row: int, byte: int, expected: str, found: str, hint: str = "") -> None:
        self.code = code
        self.row = row
        self.byte = byte
        self.expected = expected
        self.found = found
        self.hint = hint
        place = "header" if row == 0 else f"row {row}"
        self.message = f"{place}, byte {byte}: expected {expected}, found {found}"
        super().__init__(self.message)


BACKSLASH_HINT = (
    'a backslash before a quote (\\") was seen, and a backslash does not escape a quote in CSV: export with quotes '
    'doubled ("")'
)


def not_csv(found: str, hint: str) -> CsvFormatError:
    """A content whose first bytes are those of another format."""
    return CsvFormatError("not_csv", row=0, byte=0, expected="CSV text", found=found, hint=hint)


def nul_byte(row: int, byte: int) -> CsvFormatError:
    """A NUL byte, which no encoding that can be declared uses in a CSV."""
    return CsvFormatError("nul_byte", row=row, byte=byte, expected="text", found="a NUL byte")


def invalid_encoding(row: int, byte: int, encoding: str) -> CsvFormatError:
    """Bytes that are no text in the encoding, or only the start of one at the end of the content."""
    return CsvFormatError(
        "invalid_encoding", row=row, byte=byte, expected=f"text in {encoding}", found="bytes that are not"
    )


def unterminated_quote(row: int, byte: int, *, hint: str = "") -> CsvFormatError:
    """A quoted field that nothing closes."""
    expected, found = "a closing quote for the one that opens here", "the end of the content"
    return CsvFormatError("unterminated_quote", row=row, byte=byte, expected=expected, found=found, hint=hint)


def ragged_row(row: int, byte: int, *, expected: int, found: int, hint: str = "") -> CsvFormatError:
    """A row with another number of fields than the header."""
    return CsvFormatError("ragged_row", row=row, byte=byte, expected=_fields(expected), found=_fields(found), hint=hint)


def empty_file(found: str) -> CsvFormatError:
    """A content without a single record."""
    return CsvFormatError("empty_file", row=0, byte=0, expected="a header record", found=found)


def header_too_long(limit_bytes: int) -> CsvFormatError:
    """A first record that does not end in time, as in a file that is no CSV at all."""
    expected = f"a header record of at most {limit_bytes} bytes"
    return CsvFormatError("header_too_long", row=0, byte=0, expected=expected, found="a longer one")


def _fields(number: int) -> str:
    return "1 field" if number == 1 else f"{number} fields"
