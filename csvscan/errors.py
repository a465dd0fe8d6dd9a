"""Violations of the CSV format, each with its row and byte."""

from __future__ import annotations


class CsvFormatError(Exception):
    """The first violation of the rules of CSV in a content.

    Violations are ordered by the byte that proves them: the NUL itself, the start of an invalid sequence, the line end
    of a ragged row, the end of the content for an unterminated quote. The order does not depend on how the content is
    cut into blocks.

    Attributes:
        code: ``unterminated_quote``, ``nul_byte``, ``invalid_encoding``, ``ragged_row``, ``empty_file``,
            ``header_too_long`` or ``not_csv``; stable.
        row: number of the data row, from 1; 0 is the header.
        byte: offset in the content, from 0, of the opening quote, the NUL, the invalid sequence or the ragged row.
        expected: the expected content, in words.
        found: the actual content, in words.
        hint: what to do, if more is known than the code implies; else empty.
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
    'there is a backslash before a quote (\\"), which does not escape the quote in CSV: export with quotes doubled ("")'
)


def not_csv(found: str, hint: str) -> CsvFormatError:
    """Return the error for content that starts like another format."""
    return CsvFormatError("not_csv", row=0, byte=0, expected="CSV text", found=found, hint=hint)


def nul_byte(row: int, byte: int) -> CsvFormatError:
    """Return the error for a NUL byte, which text in a supported encoding does not contain."""
    return CsvFormatError("nul_byte", row=row, byte=byte, expected="text", found="a NUL byte")


def invalid_encoding(row: int, byte: int, encoding: str) -> CsvFormatError:
    """Return the error for bytes that are not valid in the encoding, or that end within a character."""
    return CsvFormatError(
        "invalid_encoding", row=row, byte=byte, expected=f"text in {encoding}", found=f"bytes that are not {encoding}"
    )


def unterminated_quote(row: int, byte: int, *, hint: str = "") -> CsvFormatError:
    """Return the error for a quoted field without a closing quote."""
    expected, found = "a closing quote for the one that opens here", "the end of the content"
    return CsvFormatError("unterminated_quote", row=row, byte=byte, expected=expected, found=found, hint=hint)


def ragged_row(row: int, byte: int, *, expected: int, found: int, hint: str = "") -> CsvFormatError:
    """Return the error for a row with a different number of fields than the header."""
    return CsvFormatError("ragged_row", row=row, byte=byte, expected=_fields(expected), found=_fields(found), hint=hint)


def empty_file(found: str) -> CsvFormatError:
    """Return the error for content without a record."""
    return CsvFormatError("empty_file", row=0, byte=0, expected="a header record", found=found)


def header_too_long(limit_bytes: int) -> CsvFormatError:
    """Return the error for a first record longer than ``limit_bytes``, as in a file that is not CSV."""
    expected = f"a header record of at most {limit_bytes} bytes"
    return CsvFormatError("header_too_long", row=0, byte=0, expected=expected, found="a longer one")


def _fields(number: int) -> str:
    return "1 field" if number == 1 else f"{number} fields"
