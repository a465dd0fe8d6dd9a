"""The header and the rows of an upload's content, found block by block."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Self

from csvscan import (
    MOST_FAULTS,
    UNKNOWN_8BIT,
    CsvFormatError,
    Deviations,
    FaultLog,
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
from uploader.ingest.content.csv_errors import csv_errors, invalid_csv
from uploader.ingest.content.row_boundary import RowBoundary, ScannedBlock

MAX_BYTES_AFTER_FAULT = 16 * 1024 * 1024
"""Size of the content that is scanned after the first violation, to find others."""


class ContentScanner:
    """Finds the header, then scans the body block by block.

    A violation in the header ends the scan. After one in the body the scan continues, so that the error names others,
    too: until it has found :data:`csvscan.MOST_FAULTS`, but for at most :data:`MAX_BYTES_AFTER_FAULT` bytes.

    Raises:
        InvalidCsvError: the declared encoding contradicts the byte order mark.
        InvalidFieldError: the declared encoding cannot be checked.
    """

    def __init__(self, *, options: CutOptions, transcoded_from: TranscodedFrom | None) -> None:
        self._strictness = options.strict
        self._faults = FaultLog()
        self._fault_offset: int | None = None
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
        """Return the state between two blocks, which :meth:`restore` accepts.

        None while the header is incomplete: then the first bytes, at most some 1.3 MB, have to be fed again.

        Raises:
            InvalidCsvError: a violation was found: the state does not include it, and would lose it.
        """
        self.raise_faults()
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
    def has_header(self) -> bool:
        """Whether the header is complete."""
        return self._header is not None

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

    @property
    def has_faults(self) -> bool:
        """Whether a violation was found. Then the upload will be refused, and nothing needs to be written any more."""
        return bool(self._faults)

    @property
    def deviations(self) -> Deviations | None:
        """What was accepted with ``strict=lenient``; None otherwise."""
        return None if self._scanner is None else self._scanner.deviations

    def raise_faults(self) -> None:
        """Return if no violation was found so far.

        Raises:
            InvalidCsvError: all that were found.
        """
        if self._faults:
            raise invalid_csv(self._faults, delimiter=self._delimiter, scanned_bytes=self.end.offset)

    def feed(self, data: memoryview) -> ScannedBlock | None:
        """Scan the next block; return None while the header is incomplete, and after a violation.

        Raises:
            InvalidCsvError: the content is not valid CSV, and the scan for more violations has ended.
        """
        with self._header_errors():
            if self._scanner is None:
                header = self._header_finder.feed(data)
                return None if header is None else self._start_body(header)
        return self._scan(self._scanner, data)

    def finish(self) -> ScannedBlock | None:
        """End the content. The block, if any, is the body that was held back with the header.

        Raises:
            InvalidCsvError: the content is not valid CSV.
        """
        block = None
        if self._scanner is None:
            with self._header_errors():
                block = self._start_body(self._header_finder.finish())
        assert self._scanner is not None  # noqa: S101  just made
        self._scanner.finish()
        self.raise_faults()
        return block

    def scan_pending(self) -> None:
        """Scan all that precedes bytes that cannot be transcoded: their violations come first.

        These are also the rows that are held back to detect the delimiter.

        An incomplete header stays incomplete. Afterwards, the row in which the valid content ends is known.

        Raises:
            InvalidCsvError: the content so far is not valid CSV.
        """
        if self._scanner is not None:
            self.raise_faults()
            return
        try:
            header = self._header_finder.finish()
        except CsvFormatError:
            return  # not a real end: a quote is open, or nothing was received
        if header.prefix.endswith((b"\n", b"\r")):
            with self._header_errors():
                self._start_body(header)
            self.raise_faults()

    def _header_errors(self) -> AbstractContextManager[None]:
        return csv_errors(lambda: self._delimiter, scanned_bytes=lambda: self._header_finder.bytes_fed)

    def _start_body(self, header: Header) -> ScannedBlock | None:
        scanner = self._set_header(header)
        return self._scan(scanner, memoryview(self._header_finder.remainder))

    def _set_header(self, header: Header) -> Scanner:
        self._header = header
        self.header_json_bytes = check_header(self.headers, header_bytes=len(header.prefix))
        self._scanner = header.scanner(strictness=self._strictness, faults=self._faults)
        return self._scanner

    def _scan(self, scanner: Scanner, data: memoryview) -> ScannedBlock | None:
        start = self.end
        scanned = ScannedBlock(data=data, scan=scanner.feed(data), start=start)
        if not self._faults:
            return scanned
        if self._fault_offset is None:
            self._fault_offset = self.end.offset
        is_long = self.end.offset - self._fault_offset >= MAX_BYTES_AFTER_FAULT
        if is_long or self._faults.counts.total() >= MOST_FAULTS:
            self.raise_faults()
        return None
