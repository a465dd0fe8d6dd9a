"""A naive scanner to compare with, one byte at a time, and strategies for input to both."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import strategies as st

from csvscan import CsvFormatError, Dialect, Scanner

csv.field_size_limit(1 << 30)

Violation = tuple[str, int, int, str, str]

PIECES = (
    "a", ",", '"', "\n", "\r", "\r\n", '""', '",', ',"', '"\n', '\n"', '"\r\n"', "\n\n", "\r\r", 'x"y', "a,b\n",
    'a,"b\r\nc"\r\n', "é", "x" * 61, '"' * 63, "," * 64, "\n" * 65, '5" pipe,', "ab,cd\r\n" * 30,
    '"a ""b"" c",d\n' * 20,
)  # fmt: skip


def texts(delimiter: str = ",", quote: str = '"') -> st.SearchStrategy[str]:
    """Any text, mostly of difficult pieces of CSV, and long enough to fill several machine words."""
    table = str.maketrans({",": delimiter, '"': quote})
    pieces = st.lists(st.sampled_from(PIECES), max_size=40)
    return pieces.map(lambda parts: "".join(parts).translate(table))


def cut_points(length: int) -> st.SearchStrategy[list[int]]:
    """Offsets to cut at, in order; the same offset twice gives an empty block."""
    return st.lists(st.integers(0, length), max_size=8).map(sorted)


def blocks(content: bytes, cuts: list[int]) -> list[bytes]:
    """Cut ``content`` at ``cuts``."""
    return [content[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(content)], strict=True)]


def every_byte(content: bytes) -> list[int]:
    """The cuts that leave one byte per block."""
    return list(range(1, len(content)))


@dataclass
class Found:
    """Result of a scan: row ends in the body, the violation that ended it, and the encoding."""

    ends: list[int] = field(default_factory=list)
    violation: Violation | None = None
    encoding: str = ""


def scan_in_blocks(
    scanner: Scanner, parts: list[bytes], *, resume: Callable[[Scanner], Scanner] = lambda scanner: scanner
) -> Found:
    """Feed ``parts`` one by one, each to the scanner that ``resume`` makes of the one before."""
    found, base = Found(), 0
    try:
        for part in parts:
            found.ends += [base + int(end) for end in scanner.feed(part).row_ends()]
            base += len(part)
            scanner = resume(scanner)
        found.ends += [base + int(end) for end in scanner.finish().row_ends()]
    except CsvFormatError as error:
        found.violation = (error.code, error.row, error.byte, error.expected, error.found)
    found.encoding = scanner.encoding
    return found


def rows_of_python(text: str, dialect: Dialect) -> tuple[list[int], list[list[str]]]:
    """The end of each record that Python's ``csv`` reads, in characters, and its fields; blank lines are left out."""
    consumed = 0

    def lines() -> Iterator[str]:
        nonlocal consumed
        for line in io.StringIO(text, newline=""):
            consumed += len(line)
            yield line

    ends, rows = [], []
    for row in csv.reader(lines(), delimiter=dialect.delimiter.decode(), quotechar=dialect.quote.decode()):
        if row:
            ends.append(consumed)
            rows.append(row)
    return ends, rows


def is_unterminated(text: str, dialect: Dialect) -> bool:
    """Whether a quote is open at the end: then one more line and record would be read differently."""
    probe = text + "\n" + dialect.delimiter.decode()
    ends, rows = rows_of_python(probe, dialect)
    return ends[-1:] == [len(probe)] and rows[-1] != ["", ""]


def scan_naively(body: bytes, dialect: Dialect, expected: int | None, encoding: str | None) -> Found:
    """The result that the scanner must return if it ends with the first violation."""
    report = examine_naively(body, dialect, expected, encoding)
    return Found([], report.faults[0]) if report.faults else Found(report.ends)


@dataclass
class Report:
    """Everything that is wrong with a body, at most one violation of a kind in a row; what is accepted is counted."""

    ends: list[int] = field(default_factory=list)
    faults: list[Violation] = field(default_factory=list)
    surplus_empty_cells: int = 0
    blank_last_lines: int = 0


def examine_naively(
    body: bytes, dialect: Dialect, expected: int | None, encoding: str | None, *, is_lenient: bool = False
) -> Report:
    """The result that the scanner must return if it goes on after the first violation."""
    report = Report()
    faults: list[tuple[int, Violation]] = []
    separators, opened = _separators(body, dialect)
    start, delimiters = 0, list[int]()
    for at, kind in separators:
        if kind == "delimiter":
            delimiters.append(at)
            continue
        line = body[start : at + 1]
        fields = len(delimiters) + 1
        if line.strip(b"\r\n"):
            report.ends.append(at + 1)
            report.blank_last_lines = 0
            if is_lenient and expected is not None and _has_empty_surplus(line, start, delimiters, expected):
                report.surplus_empty_cells += 1
            elif expected not in (None, fields):
                number = len(report.ends)
                faults.append((at, ("ragged_row", number, start, _fields(expected or 0), _fields(fields))))
        else:
            report.blank_last_lines += 1
        start, delimiters = at + 1, []
    if opened is not None:
        wanted = "a closing quote for the one that opens here"
        row = len(report.ends) + 1
        faults.append((len(body), ("unterminated_quote", row, opened, wanted, "the end of the content")))
    for number, (begin, end) in enumerate(pairwise([0, *report.ends, len(body)]), start=1):
        content = body[begin:end]
        if b"\0" in content:
            at = begin + content.index(b"\0")
            faults.append((at, ("nul_byte", number, at, "text", "a NUL byte")))
        faults += _encoding_fault(content, begin, number, encoding)
    report.faults = [fault for _, fault in sorted(faults)]
    return report


def _has_empty_surplus(line: bytes, start: int, delimiters: list[int], expected: int) -> bool:
    surplus = len(delimiters) + 1 - expected
    stop = start + len(line.removesuffix(b"\n").removesuffix(b"\r"))
    return surplus > 0 and delimiters[-surplus:] == list(range(stop - surplus, stop))


def _separators(body: bytes, dialect: Dialect) -> tuple[list[tuple[int, str]], int | None]:
    """Return delimiters and line ends outside of quotes, and the opening quote that is never closed."""
    found: list[tuple[int, str]] = []
    state, opened = "field start", 0
    for at in range(len(body)):
        byte = body[at : at + 1]
        if byte == dialect.quote and state != "plain":
            opened = at if state == "field start" else opened
            state = "closed" if state == "quoted" else "quoted"
        elif state == "quoted" or (byte == b"\r" and body[at + 1 : at + 2] == b"\n"):
            continue
        elif byte in (dialect.delimiter, b"\n", b"\r"):
            found.append((at, "delimiter" if byte == dialect.delimiter else "line end"))
            state = "field start"
        else:
            state = "plain"
    if state != "quoted" and body and (not found or found[-1] != (len(body) - 1, "line end")):
        found.append((len(body) - 1, "line end"))
    return found, opened if state == "quoted" else None


def _encoding_fault(row: bytes, begin: int, number: int, encoding: str | None) -> list[tuple[int, Violation]]:
    if encoding is None:
        return []
    try:
        row.decode(encoding)
    except UnicodeDecodeError as error:
        at = begin + error.start
        return [(at, ("invalid_encoding", number, at, f"text in {encoding}", f"bytes that are not {encoding}"))]
    return []


def _fields(number: int) -> str:
    return "1 field" if number == 1 else f"{number} fields"
