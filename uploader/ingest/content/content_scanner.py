"""The header and the rows of an upload's content, found block by block."""

from __future__ import annotations

from typing import Self

from csvscan import (
    UNKNOWN_8BIT,
    CsvFormatError,
    Header,
    HeaderFinder,
    Scanner,
    UnsupportedEncodingError,
    check_declared,
)
from uploader.domain.csv_header_limits import check_header
from uploader.domain.cutting import CutOptions, TranscodedFrom
from uploader.errors import InvalidFieldError
from uploader.ingest.content.content_state import ContentState
from uploader.ingest.content.csv_errors import csv_errors
from uploader.ingest.content.row_boundary import RowBoundary, ScannedBlock


class ContentScanner:
    """Finds the header, then scans the body block by block.

    Raises:
        InvalidCsvError: the declared encoding contradicts the byte order mark.
        InvalidFieldError: the declared encoding cannot be checked.
    """

    def __init__(self, *, options: CutOptions, transcoded_from: TranscodedFrom | None) -> None:
        self._strict = options.strict
        encoding = options.encoding
        if transcoded_from is not None:
            # A declared encoding describes the source; the transcoded content is valid UTF-8.
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

    def state(self) -> ContentState | None:
        """Return the state between two blocks, which :meth:`restore` accepts; not to be called after a violation.

        None while the header is incomplete: then the first bytes, at most some 1.3 MB, have to be fed again.
        """
        if self._scanner is None:
            return None
        return ContentState(header=self.header.state(), scanner=self._scanner.state())

    @classmethod
    def restore(
        cls, state: ContentState, *, options: CutOptions, transcoded_from: TranscodedFrom | None, prefix: bytes
    ) -> Self:
        """Return a scanner that continues after the bytes that another one had scanned.

        Args:
            state: of a scanner with the same ``options`` and ``transcoded_from``.
            options: see the class.
            transcoded_from: see the class.
            prefix: the first ``state.header.prefix_bytes`` bytes of the content.

        Raises:
            InvalidCsvError: as the class does.
            InvalidFieldError: as the class does.
            ValueError: ``prefix`` has another size.
        """
        scanner = cls(options=options, transcoded_from=transcoded_from)
        body = scanner._set_header(Header.restore(state.header, prefix=prefix))
        body.restore(state.scanner)
        return scanner

    @property
    def _delimiter(self) -> str | None:
        return None if self._header is None else self._header.dialect.delimiter.decode("ascii")

    @property
    def current_row(self) -> int:
        """The row that the next bytes belong to; 0 while the header is incomplete."""
        return 0 if self._scanner is None else self._scanner.rows + 1

    @property
    def header(self) -> Header:
        """The header; available as soon as a block was scanned."""
        assert self._header is not None  # noqa: S101  feed and finish return nothing before
        return self._header

    @property
    def headers(self) -> list[str]:
        """The column names; bytes of an unknown encoding are read as Latin-1."""
        encoding = "latin-1" if self.header.encoding == UNKNOWN_8BIT else self.header.encoding
        return [field.decode(encoding, errors="replace") for field in self.header.fields]

    @property
    def encoding(self) -> str:
        """The declared or detected encoding of the content."""
        assert self._scanner is not None  # noqa: S101  as above
        return self._scanner.encoding

    @property
    def end(self) -> RowBoundary:
        """The position up to which the content was scanned."""
        assert self._scanner is not None  # noqa: S101  as above
        return RowBoundary(offset=len(self.header.prefix) + self._scanner.bytes_scanned, rows=self._scanner.rows)

    def feed(self, data: memoryview) -> ScannedBlock | None:
        """Scan the next block; return None while the header is incomplete.

        Raises:
            InvalidCsvError: the content is not valid CSV.
        """
        with csv_errors(lambda: self._delimiter):
            if self._scanner is None:
                header = self._header_finder.feed(data)
                return None if header is None else self._start_body(header)
            return self._scan(self._scanner, data)

    def finish(self) -> ScannedBlock | None:
        """End the content. The block, if any, is the body that was held back with the header.

        Raises:
            InvalidCsvError: the content is not valid CSV.
        """
        with csv_errors(lambda: self._delimiter):
            block = None
            if self._scanner is None:
                block = self._start_body(self._header_finder.finish())
            assert self._scanner is not None  # noqa: S101  just made
            self._scanner.finish()
            return block

    def scan_pending(self) -> None:
        """Scan the rows that are held back to detect the delimiter, because the bytes after them are not valid.

        An incomplete header stays incomplete. Afterwards, the row in which the valid content ends is known.

        Raises:
            InvalidCsvError: the pending rows are not valid CSV: that is the first violation.
        """
        if self._scanner is not None:
            return
        try:
            header = self._header_finder.finish()
        except CsvFormatError:
            return  # not a real end: a quote is open, or nothing was received
        if header.prefix.endswith((b"\n", b"\r")):
            with csv_errors(lambda: self._delimiter):
                self._start_body(header)

    def _start_body(self, header: Header) -> ScannedBlock:
        scanner = self._set_header(header)
        return self._scan(scanner, memoryview(self._header_finder.remainder))

    def _set_header(self, header: Header) -> Scanner:
        self._header = header
        self.header_json_bytes = check_header(self.headers, header_bytes=len(header.prefix))
        self._scanner = header.scanner(strict=self._strict)
        return self._scanner

    def _scan(self, scanner: Scanner, data: memoryview) -> ScannedBlock:
        start = self.end
        return ScannedBlock(data=data, scan=scanner.feed(data), start=start)
