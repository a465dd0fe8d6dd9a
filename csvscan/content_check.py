"""Scans a content from its first to its last byte, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from csvscan.encoding import UNKNOWN_8BIT, check_encoding
from csvscan.errors import CsvFormatError
from csvscan.fault_log import FaultLog
from csvscan.header import Header, HeaderFinder
from csvscan.scan import Scan
from csvscan.scanner import Scanner
from csvscan.strictness import Strictness
from csvscan.text_traits import TextTraits
from csvscan.transcoder import UTF_16, Transcoder, check_declared
from csvscan.unpacking import UnpackingError

OnRows = Callable[[bytes | memoryview, Scan], None]
_RAGGED = "ragged_row"


class TolerantLog(FaultLog):
    """A log in which ragged rows are counted, but are not faults."""

    def __init__(self, *, most: int) -> None:
        super().__init__(most=most)
        self.ragged_rows = 0

    def add(self, code: str, number: int) -> None:
        """Count violations of one kind."""
        if code == _RAGGED:
            self.ragged_rows += number
        else:
            super().add(code, number)

    def describe(self, faults: Iterable[CsvFormatError]) -> None:
        """Add the descriptions of the others."""
        super().describe(fault for fault in faults if fault.code != _RAGGED)


@dataclass
class FileFacts:
    """What is known of a content after the scan."""

    faults: FaultLog
    traits: TextTraits = field(default_factory=TextTraits)
    header: Header | None = None
    transcoded_from: str | None = None
    encoding: str = ""
    rows: int = 0
    longest_row_bytes: int = 0
    """Size of the longest row, if that is longer than a block; smaller ones are not measured."""
    surplus_empty_rows: int = 0
    blank_last_lines: int = 0

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        if self.header is None:
            return []
        encoding = "latin-1" if self.header.encoding == UNKNOWN_8BIT else self.header.encoding
        return [name.decode(encoding, errors="replace") for name in self.header.fields]

    @property
    def ragged_rows(self) -> int:
        """Number of rows with another number of fields than the header, accepted or not."""
        tolerated = self.faults.ragged_rows if isinstance(self.faults, TolerantLog) else 0
        return self.faults.counts[_RAGGED] + tolerated + self.surplus_empty_rows


class ContentCheck:
    """Scans one block after the other. A fault in the header, or bytes that cannot be transcoded, end the scan.

    Args:
        delimiter: the delimiter; None to detect it.
        encoding: encoding in which the bytes must be valid; None to accept all.
        strictness: which rows with another number of fields are faults.
        most_faults: number of faults to describe.
        on_rows: called with each block of the body, and the row ends in it.

    Raises:
        UnsupportedEncodingError: the encoding cannot be checked.
    """

    def __init__(
        self,
        *,
        delimiter: bytes | None,
        encoding: str | None,
        strictness: Strictness,
        most_faults: int,
        on_rows: OnRows = lambda _block, _scan: None,
    ) -> None:
        is_tolerant = strictness is Strictness.OFF
        self.facts = FileFacts(TolerantLog(most=most_faults) if is_tolerant else FaultLog(most=most_faults))
        self.has_ended = False
        """Whether a fault has ended the scan."""
        self.strictness = strictness
        self._strictness = Strictness.STRICT if is_tolerant else strictness
        if encoding is not None and encoding not in UTF_16:
            check_encoding(encoding)
        self._delimiter = delimiter
        self._encoding = encoding
        self._transcoder = Transcoder(current_row=lambda: 0 if self._scanner is None else self._scanner.rows + 1)
        self._finder: HeaderFinder | None = None
        self._scanner: Scanner | None = None
        self._open_bytes = 0
        self._on_rows = on_rows

    def feed(self, block: bytes | memoryview) -> None:
        """Scan the next block."""
        self._take(lambda: self._transcoder.feed(block), self._scan)

    def end_with_damage(self, error: UnpackingError) -> None:
        """End the scan because the rest of a compressed source cannot be unpacked."""
        self.has_ended = True
        self._scan_pending()
        row = 0 if self._scanner is None else self._scanner.rows + 1
        self.facts.faults.add_error(
            CsvFormatError(
                "invalid_compression",
                row=row,
                byte=error.byte,
                expected="a whole compressed file",
                found=error.message,
                hint=error.hint,
            )
        )

    def finish(self) -> FileFacts:
        """End the content, and return what is known of it."""
        self._take(self._transcoder.finish, self._scan_last)
        return self._complete_facts()

    def cut_off(self) -> FileFacts:
        """End the scan before the end of the content; what the cut leaves incomplete is neither a row nor a fault."""
        if self._finder is not None and self._scanner is None:
            self._take(lambda: memoryview(b""), lambda _: self._begin_cut_off())
        return self._complete_facts()

    def _begin_cut_off(self) -> None:
        header = self._header_finder().cut_off()
        if header is not None:
            self._begin(header)

    def _complete_facts(self) -> FileFacts:
        facts = self.facts
        facts.transcoded_from = self._transcoder.transcoded_from
        if self._scanner is not None:
            facts.rows = self._scanner.rows
            facts.encoding = facts.transcoded_from or self._scanner.encoding
            deviations = self._scanner.deviations
            if deviations is not None:
                facts.surplus_empty_rows = deviations.surplus_empty_cells
                facts.blank_last_lines = deviations.blank_last_lines
        return facts

    def _take(self, transcode: Callable[[], memoryview], scan: Callable[[memoryview], None]) -> None:
        """Scan what ``transcode`` returns; a fault in either step ends the scan."""
        if self.has_ended:
            return
        try:
            content = transcode()
        except CsvFormatError:
            self.has_ended = True
            self._end_at_invalid_text()
            return
        try:
            scan(content)
        except CsvFormatError as fault:
            self.has_ended = True
            self.facts.faults.add_error(fault)

    def _end_at_invalid_text(self) -> None:
        self._scan_pending()  # then the row of the invalid text is known
        try:
            self._transcoder.check()
        except CsvFormatError as fault:
            self.facts.faults.add_error(fault)

    def _scan_pending(self) -> None:
        """Scan the rows that are held back to detect the delimiter, because the bytes after them are not valid."""
        with suppress(CsvFormatError):  # not a real end: the header may be incomplete
            if self._scanner is None and self._finder is not None:
                header = self._finder.finish()
                if header.prefix.endswith((b"\n", b"\r")):
                    self._begin(header)

    def _scan(self, content: memoryview) -> None:
        if self._scanner is not None:
            self._measure(content, self._scanner.feed(content))
        elif self._transcoder.has_started:
            header = self._header_finder().feed(content)
            if header is not None:
                self._begin(header)

    def _scan_last(self, content: memoryview) -> None:
        self._scan(content)
        if self._scanner is None:
            self._begin(self._header_finder().finish())
        assert self._scanner is not None  # noqa: S101  just made
        self._measure(b"", self._scanner.finish())

    def _header_finder(self) -> HeaderFinder:
        """Return the finder, which is made as soon as it is known whether the content is transcoded.

        Raises:
            CsvFormatError: the declared encoding contradicts the byte order mark.
        """
        if self._finder is None:
            transcoded_from = self._transcoder.transcoded_from
            if transcoded_from is not None or self._encoding in UTF_16:
                check_declared(self._encoding, transcoded_from)
            encoding = None if transcoded_from is not None else self._encoding
            self._finder = HeaderFinder(delimiter=self._delimiter, encoding=encoding)
        return self._finder

    def _begin(self, header: Header) -> None:
        facts = self.facts
        facts.header = header
        self._scanner = header.scanner(strictness=self._strictness, faults=facts.faults, traits=facts.traits)
        rest = self._header_finder().remainder
        self._measure(rest, self._scanner.feed(rest))

    def _measure(self, block: bytes | memoryview, scan: Scan) -> None:
        """Measure the rows that do not begin and end in the same block."""
        self._on_rows(block, scan)
        size_bytes = len(block)
        first, last = scan.first_end_at_or_after(0), scan.last_end
        if first is None or last is None:
            self._open_bytes += size_bytes
            self.facts.longest_row_bytes = max(self.facts.longest_row_bytes, self._open_bytes)
            return
        self.facts.longest_row_bytes = max(self.facts.longest_row_bytes, self._open_bytes + first)
        self._open_bytes = size_bytes - last
