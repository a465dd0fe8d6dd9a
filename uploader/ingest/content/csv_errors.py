"""The scanner's errors as the uploader's, with hints for the client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from contracts.errors import CsvPipeError
from csvscan import CsvFormatError, FaultLog
from uploader.errors import InvalidCsvError

_HINT_OF_DELIMITER = "it was read with the delimiter {!r}; if that is wrong, send delimiter=... before the file"
_HINTS = {
    "ragged_row": "to accept such rows, send strict=false before the file, or strict=lenient if only empty cells are "
    "surplus",
    "unterminated_quote": "close the quote, or double the quotes that belong to the text",
    "nul_byte": "CSV is text and contains no NUL bytes: remove them, or export the data again as text",
    "invalid_encoding": "send the file's encoding=... before the file; without it, bytes are not checked and are "
    "stored as they are",
    "header_too_long": "the first record must contain the column names: add a header record if it is missing, shorten "
    "or drop columns if there are too many, and look for an unclosed quote",
    "empty_file": "send a CSV with a header record",
}


@contextmanager
def csv_errors(
    delimiter: Callable[[], str | None] = lambda: None, *, scanned_bytes: Callable[[], int] | None = None
) -> Iterator[None]:
    """Turn a violation that ends the scan into the uploader's error.

    Args:
        delimiter: returns the delimiter that the content was read with, or None if it is unknown.
        scanned_bytes: returns the number of bytes that were examined; None if these are the bytes before the violation.

    Raises:
        InvalidCsvError: see :func:`invalid_csv`.
    """
    try:
        yield
    except CsvFormatError as error:
        log = FaultLog()
        log.add_error(error)
        scanned = error.byte if scanned_bytes is None else scanned_bytes()
        raise invalid_csv(log, delimiter=delimiter(), scanned_bytes=scanned) from error


def invalid_csv(faults: FaultLog, *, delimiter: str | None, scanned_bytes: int) -> InvalidCsvError:
    """Return the error for a content with ``faults``.

    It has the row, the byte, the expected and found content of the first fault and a hint, the first faults in
    ``faults``, and their numbers by kind in ``fault_counts``, both as far as ``scanned_bytes``.
    """
    first = faults.first[0]
    return InvalidCsvError(
        explain(first, delimiter=delimiter),
        **_describe(first),
        hint=_hint(first, delimiter),
        faults=[_describe(fault) for fault in faults.first],
        fault_counts=dict(faults.counts),
        scanned_bytes=scanned_bytes,
    )


@contextmanager
def faults_first(raise_faults: Callable[[], None]) -> Iterator[None]:
    """Give violations that were found precedence over an error in what follows them, such as damaged compression.

    Args:
        raise_faults: raises them; called after an error.

    Raises:
        InvalidCsvError: raised by ``raise_faults``.
    """
    try:
        yield
    except CsvPipeError:
        raise_faults()
        raise


def explain(fault: CsvFormatError, *, delimiter: str | None) -> str:
    """Return what is wrong and what to do, as an error says it."""
    hint = _hint(fault, delimiter)
    return f"{fault.message}{f' ({hint})' if hint else ''}"


def _describe(fault: CsvFormatError) -> dict[str, object]:
    return {
        "reason": fault.code,
        "row": fault.row,
        "byte": fault.byte,
        "expected": fault.expected,
        "found": fault.found,
    }


def hint_for(code: str, *, delimiter: str | None) -> str:
    """Return what to do about this kind of error; empty if only the place says more."""
    of_delimiter = _HINT_OF_DELIMITER.format(delimiter) if code == "ragged_row" and delimiter else ""
    return "; ".join(filter(None, (of_delimiter, _HINTS.get(code, ""))))


def _hint(error: CsvFormatError, delimiter: str | None) -> str:
    """Return the scanner's own hint, then the hints for this kind of error."""
    return "; ".join(filter(None, (error.hint, hint_for(error.code, delimiter=delimiter))))
