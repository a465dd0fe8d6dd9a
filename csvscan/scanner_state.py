"""The state of a scan between two blocks, in values that JSON can hold, so that it can be saved and resumed later."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QuoteState:
    """State of a :class:`csvscan.quote_tracker.QuoteTracker`."""

    state: int
    after_quote: bool
    opened_byte: int


@dataclass(frozen=True, slots=True)
class LineState:
    """State of a :class:`csvscan.line_tracker.LineTracker`."""

    at_line_start: bool
    cr_waits: bool
    cr_line_blank: bool


@dataclass(frozen=True, slots=True)
class FinderState:
    """State of a :class:`csvscan.record_finder.RecordFinder`; ``in_character`` is that of its trail mask."""

    quotes: QuoteState
    lines: LineState
    in_character: bool
    at_field_start: bool
    base_byte: int
    ended_in_backslash: bool
    has_backslash_quote: bool


@dataclass(frozen=True, slots=True)
class EncodingState:
    """State of a :class:`csvscan.encoding.EncodingCheck`.

    Attributes:
        is_valid: whether all bytes so far are valid.
        pending: the start of a character that the next block may complete, as hexadecimal digits.
    """

    is_valid: bool = True
    pending: str = ""


@dataclass(frozen=True, slots=True)
class SurplusState:
    """State of a :class:`csvscan.surplus_cells.SurplusCells`."""

    delimiters_at_end: int
    ended_in_cr: bool


@dataclass(frozen=True, slots=True)
class DeviationState:
    """State of a :class:`csvscan.deviations.DeviationCounter`."""

    surplus_empty_cells: int
    blank_last_lines: int
    surplus: SurplusState


@dataclass(frozen=True, slots=True)
class ScannerState:
    """State of a :class:`csvscan.scanner.Scanner`; a few hundred bytes as JSON, however long the content."""

    rows: int
    bytes_scanned: int
    record_start: int
    open_separators: int
    finder: FinderState
    encoding: EncodingState
    deviations: DeviationState | None


@dataclass(frozen=True, slots=True)
class HeaderState:
    """A :class:`csvscan.header.Header` without its bytes, which are the first ``prefix_bytes`` of the content."""

    prefix_bytes: int
    record_start: int
    delimiter: str
    encoding: str
    encoding_declared: bool
    has_sep_line: bool
