"""The scanner's errors as the uploader's, with hints for the client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from csvscan import CsvFormatError
from uploader.errors import InvalidCsvError

_HINT_OF_DELIMITER = "it was read with the delimiter {!r}; if that is wrong, send delimiter=... before the file"
_HINTS = {
    "ragged_row": "to accept such rows, send strict=false before the file",
    "unterminated_quote": "close the quote, or double the quotes that belong to the text",
    "nul_byte": "CSV is text and contains no NUL bytes: remove them, or export the data again as text",
    "invalid_encoding": "send the file's encoding=... before the file; without it, bytes are not checked and are "
    "stored as they are",
    "header_too_long": "the first record must contain the column names: add a header record if it is missing, shorten "
    "or drop columns if there are too many, and look for an unclosed quote",
    "empty_file": "send a CSV with a header record",
}


@contextmanager
def csv_errors(delimiter: Callable[[], str | None] = lambda: None) -> Iterator[None]:
    """Turn the scanner's errors into the uploader's.

    Args:
        delimiter: returns the delimiter that the content was read with, or None if it is unknown.

    Raises:
        InvalidCsvError: with the row, the byte, the expected and found content, and a hint.
    """
    try:
        yield
    except CsvFormatError as error:
        hint = _hint(error, delimiter())
        raise InvalidCsvError(
            f"{error.message}{f' ({hint})' if hint else ''}",
            reason=error.code,
            row=error.row,
            byte=error.byte,
            expected=error.expected,
            found=error.found,
            hint=hint,
        ) from error


def _hint(error: CsvFormatError, delimiter: str | None) -> str:
    """Return the scanner's own hint, then the hints for this kind of error."""
    general = "" if error.code == "not_csv" else _HINTS.get(error.code, "")
    of_delimiter = _HINT_OF_DELIMITER.format(delimiter) if error.code == "ragged_row" and delimiter else ""
    return "; ".join(filter(None, (error.hint, of_delimiter, general)))
