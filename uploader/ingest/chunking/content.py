"""The content of an upload, read block by block: transcoded where it is UTF-16, its header found, its rows scanned."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from csvscan import (
    UNKNOWN_8BIT,
    CsvFormatError,
    Header,
    HeaderFinder,
    Scan,
    Scanner,
    Transcoder,
    UnsupportedEncodingError,
    check_declared,
)
from uploader.domain.cutting import CutOptions, TranscodedFrom
from uploader.domain.header_limits import check_header
from uploader.errors import InvalidCsvError, InvalidFieldError
from uploader.ingest.chunking.plan import RowBoundary

_HINT_OF_DELIMITER = "it was read with the delimiter {!r}; delimiter=..., sent before the file, says that it is another"
_HINTS = {
    "ragged_row": "where such rows are meant, strict=false, sent before the file, accepts them",
    "unterminated_quote": "close the quote, or double the quotes that belong to the text",
    "nul_byte": "CSV is text and holds no NUL bytes: remove them, or export the data again as text",
    "invalid_encoding": "encoding=..., sent before the file, says what the bytes are; without it they are not checked "
    "and are stored as they are",
    "header_too_long": "the first record must hold the column names: add a header record if it is missing, shorten or "
    "drop columns if there are too many, and look for a quote in it that is not closed",
    "empty_file": "send a CSV with a header record",
}


class SourceTranscoder:
    """Turns UTF-16 with a byte order mark into UTF-8 and hashes the source; passes other bytes through.

    Args:
        current_row: returns the row that an error names.
    """

    def __init__(self, *, current_row: Callable[[], int]) -> None:
        self._transcoder = Transcoder(current_row=current_row)
        self._source = hashlib.sha256()

    @property
    def transcoded_from(self) -> TranscodedFrom | None:
        """Encoding of the source, or None if it is not transcoded."""
        match self._transcoder.transcoded_from:
            case "utf-16-le":
                return "utf-16-le"
            case "utf-16-be":
                return "utf-16-be"
            case _:
                return None

    @property
    def source_sha256(self) -> str | None:
        """SHA-256 of the source, or None if it is not transcoded, so that the content is the source."""
        return None if self.transcoded_from is None else self._source.hexdigest()

    def feed(self, data: memoryview) -> memoryview:
        """Return the content that is complete with ``data``; a view of ``data`` if it is not transcoded.

        Raises:
            InvalidCsvError: the UTF-16 is not valid.
        """
        is_start = not self._transcoder.has_started
        with csv_errors():
            content = self._transcoder.feed(data)
        if is_start or self.transcoded_from is not None:  # the first bytes count whatever they prove to be
            self._source.update(data)
        return content

    def finish(self) -> memoryview:
        """Return the rest.

        Raises:
            InvalidCsvError: the UTF-16 ends within a character.
        """
        with csv_errors():
            return self._transcoder.finish()

    def check(self) -> None:
        """Raise the error of :meth:`feed` or :meth:`finish` again, after all valid text was scanned.

        Raises:
            InvalidCsvError: as these do, with the row that is current now.
        """
        with csv_errors():
            self._transcoder.check()


@dataclass(frozen=True, slots=True)
class ScannedBlock:
    """A piece of body and the row ends in it; ``place`` is where it starts, with the rows that ended before it."""

    data: memoryview
    scan: Scan
    place: RowBoundary


class ContentScanner:
    """Finds the header, then scans the body block by block.

    Raises:
        InvalidCsvError: another encoding is declared than the one the byte order mark tells.
        InvalidFieldError: the declared encoding cannot be checked.
    """

    def __init__(self, *, options: CutOptions, transcoded_from: TranscodedFrom | None) -> None:
        self._strict = options.strict
        encoding = options.encoding
        if transcoded_from is not None:
            # A declared encoding was said of the source; what it became is valid UTF-8.
            with csv_errors():
                check_declared(encoding, transcoded_from)
            encoding = None
        try:
            self._header_finder = HeaderFinder(delimiter=options.delimiter, encoding=encoding)
        except UnsupportedEncodingError as error:
            raise InvalidFieldError(f"encoding: {error}", field="encoding") from error
        self._header: Header | None = None
        self._scanner: Scanner | None = None
        self.header_json_bytes = 0
        """Size of the column names in a message; known with the header."""

    @property
    def _delimiter(self) -> str | None:
        return None if self._header is None else self._header.dialect.delimiter.decode("ascii")

    @property
    def current_row(self) -> int:
        """The row that what comes next belongs to; 0 while the header is not complete."""
        return 0 if self._scanner is None else self._scanner.rows + 1

    @property
    def header(self) -> Header:
        """The header; there is one as soon as a block was scanned."""
        assert self._header is not None  # noqa: S101  feed and finish give nothing before
        return self._header

    @property
    def headers(self) -> list[str]:
        """The names of the columns; bytes of an unknown encoding are read as Latin-1."""
        encoding = "latin-1" if self.header.encoding == UNKNOWN_8BIT else self.header.encoding
        return [field.decode(encoding, errors="replace") for field in self.header.fields]

    @property
    def encoding(self) -> str:
        """What the content was declared, or found, to be."""
        assert self._scanner is not None  # noqa: S101  as above
        return self._scanner.encoding

    @property
    def end(self) -> RowBoundary:
        """The place up to which the content was scanned."""
        assert self._scanner is not None  # noqa: S101  as above
        return RowBoundary(offset=len(self.header.prefix) + self._scanner.bytes_scanned, rows=self._scanner.rows)

    def feed(self, data: memoryview) -> ScannedBlock | None:
        """Scan the next block; None while the header is not complete.

        Raises:
            InvalidCsvError: the content is no CSV.
        """
        with csv_errors(lambda: self._delimiter):
            if self._scanner is None:
                header = self._header_finder.feed(data)
                return None if header is None else self._start_body(header)
            return self._scan(self._scanner, data)

    def finish(self) -> ScannedBlock | None:
        """End the content. The block, if any, is body that was held back with the header.

        Raises:
            InvalidCsvError: the content is no CSV.
        """
        with csv_errors(lambda: self._delimiter):
            block = None
            if self._scanner is None:
                block = self._start_body(self._header_finder.finish())
            assert self._scanner is not None  # noqa: S101  just made
            self._scanner.finish()
            return block

    def scan_held_back(self) -> None:
        """Scan what waits for more rows to tell the delimiter: nothing more comes, as what follows is not valid.

        A header that is not complete stays so. The row in which the content breaks off is known afterwards.

        Raises:
            InvalidCsvError: what was held back is no CSV: that is the first violation.
        """
        if self._scanner is not None:
            return
        try:
            header = self._header_finder.finish()
        except CsvFormatError:
            return  # an end that is none: a quote is open, or nothing has come
        if header.prefix.endswith((b"\n", b"\r")):
            with csv_errors(lambda: self._delimiter):
                self._start_body(header)

    def _start_body(self, header: Header) -> ScannedBlock:
        self._header = header
        self.header_json_bytes = check_header(self.headers, header_bytes=len(header.prefix))
        self._scanner = header.scanner(strict=self._strict)
        return self._scan(self._scanner, memoryview(self._header_finder.remainder))

    def _scan(self, scanner: Scanner, data: memoryview) -> ScannedBlock:
        place = self.end
        return ScannedBlock(data=data, scan=scanner.feed(data), place=place)


@contextmanager
def csv_errors(delimiter: Callable[[], str | None] = lambda: None) -> Iterator[None]:
    """Turn the scanner's errors into ours.

    Args:
        delimiter: gives the one that the content was read with, where that is known.

    Raises:
        InvalidCsvError: with the row, the byte, what was expected and found, and what may help.
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
    """Return what may help: what the scanner has seen first, then what the kind of the error suggests."""
    general = "" if error.code == "not_csv" else _HINTS.get(error.code, "")
    of_delimiter = _HINT_OF_DELIMITER.format(delimiter) if error.code == "ragged_row" and delimiter else ""
    return "; ".join(filter(None, (error.hint, of_delimiter, general)))
