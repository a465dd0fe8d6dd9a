"""Detects the delimiter of a content: the header proposes candidates, the first rows decide.

1. The candidates are those of ``, ; tab |`` that split the header. The winner is the one with which most of the first
   rows have as many fields as the header.
2. Several candidates may fit the rows about equally well (within a tenth), as in ``Preis, netto;Preis, brutto`` above
   ``1,5;2,5``. Then the winner is, in this order: the one with which fewer fields have quotes in the middle; one that
   does not split a pair of brackets in the header; the one that leaves more numbers, dates and times; the one that is
   more often followed by something other than a space in the header; if there are rows, the one that is rarer in text
   (tab, ``|``, ``;``, ``,``), else the first of ``, ; tab |``.
3. If no delimiter splits the header, there is one column, and the winner is the first of ``, ; tab |`` that does not
   split a row either. But rows that a delimiter splits into equally many fields are a table below a line that is not
   its header: that delimiter is returned, and the rows are ragged. Rows that consist of numbers, dates and times
   (``1,5``) are one column.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from csvscan import bits
from csvscan.bits import Block
from csvscan.bom import BOM
from csvscan.dialect import DELIMITERS, Dialect
from csvscan.fields import count_odd_quotes, split_record
from csvscan.record_finder import RecordFinder

SAMPLE_BYTES = 256 * 1024
"""Number of bytes after the header that are examined."""
MOST_ROWS = 500
_MOST_CELLS = 5000
_ABOUT_EQUAL = 0.9
"""A few ragged rows do not rule out a delimiter."""
_RAREST_FIRST = b"\t|;,"
_VALUE = re.compile(
    rb"""\s*(?:
    [-+(]?\s*[$\xa3\xa5]?\s*(?:\d{1,3}(?:[.,'\ \xa0]\d{3})+|\d+)(?:[.,]\d+)?(?:[eE][-+]?\d+)?\)?\s*
        (?:%|[A-Za-z]{3}|\xe2\x82\xac|\x80)?
    | \d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[T\ ]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*(?:Z|[-+]\d\d:?\d\d)?)?
    | \d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?
    )\s*""",
    re.VERBOSE,
)
"""A number with a decimal point or comma, digit groups and a currency or unit; a date, a date with time, a time."""
_BRACKETS = ((b"(", b")"), (b"[", b"]"), (b"{", b"}"))


def detect_delimiter(sample: bytes, *, is_whole: bool = True, encoding: str | None = None) -> bytes:
    """Return the delimiter of the content that starts with ``sample``.

    Args:
        sample: the header and the bytes after it; a last record that is cut off does not count.
        is_whole: whether it is the whole content, so that the last record is complete.
        encoding: the declared multi-byte encoding; any other value has no effect.
    """
    content = sample.removeprefix(BOM)
    readings = [_Reading.of(content, bytes([byte]), is_whole=is_whole, encoding=encoding) for byte in DELIMITERS]
    has_rows = any(reading.rows for reading in readings)
    candidates = [reading for reading in readings if reading.header > 1]
    if not candidates:
        return _of_one_column(readings)
    best = max(reading.agreement for reading in candidates)
    equal = [reading for reading in candidates if reading.agreement >= best * _ABOUT_EQUAL]
    if len(equal) == 1:
        return equal[0].delimiter
    order = _RAREST_FIRST if has_rows else DELIMITERS
    return max(equal, key=lambda each: (*each.evidence(), -order.index(each.delimiter))).delimiter


def _of_one_column(readings: list[_Reading]) -> bytes:
    undivided = [reading for reading in readings if reading.agreement == 1]
    if undivided and all(_VALUE.fullmatch(cell) for cell in undivided[0].cells()):
        return undivided[0].delimiter
    tables = [reading for reading in readings if reading.is_table_of_its_own]
    if tables:
        return max(tables, key=lambda reading: reading.counts[1]).delimiter
    return (undivided or readings)[0].delimiter


@dataclass(frozen=True)
class _Reading:
    """A sample as split by one delimiter: the ends of its records and their numbers of fields, the header first."""

    content: bytes
    dialect: Dialect
    ends: tuple[int, ...]
    counts: tuple[int, ...]
    is_torn: bool

    @classmethod
    def of(cls, content: bytes, delimiter: bytes, *, is_whole: bool, encoding: str | None) -> _Reading:
        dialect = Dialect.for_encoding(delimiter, encoding)
        if not content:
            return cls(content, dialect, (), (), is_torn=False)
        finder = RecordFinder(delimiters=delimiter, quote=dialect.quote, multibyte=dialect.multibyte)
        lines, delimiters = finder.feed(Block(content), want_delimiters=True)
        none = np.zeros(0, dtype=np.int64)
        ends = none if lines.rows is None else bits.positions(lines.rows) + 1
        is_torn = is_whole and finder.open_quote_byte is not None
        if is_whole and finder.finish().row_at_zero:
            ends = np.append(ends, len(content))
        ends = ends[: MOST_ROWS + 1]
        places = none if delimiters is None else bits.positions(delimiters)
        return cls(content, dialect, tuple(ends.tolist()), _fields_by_record(ends, places), is_torn)

    @property
    def delimiter(self) -> bytes:
        return self.dialect.delimiter

    @property
    def header(self) -> int:
        """Number of fields in the header."""
        return self.counts[0] if self.counts else 1

    @property
    def rows(self) -> int:
        return max(0, len(self.counts) - 1)

    @property
    def agreement(self) -> float:
        """Share of rows with as many fields as the header; 0 if the header takes in all rows."""
        if not self.counts or self.is_torn:
            return 0.0
        return (
            sum(count == self.header for count in self.counts[1:]) / self.rows
            if self.rows
            else float(not self.has_more)
        )

    @property
    def has_more(self) -> bool:
        """Whether there is more after the last complete record."""
        return bool(self.content[self.ends[-1] :].strip()) if self.ends else bool(self.content)

    @property
    def is_table_of_its_own(self) -> bool:
        """Whether all rows have the same number of fields, other than the header; a single row may be chance."""
        return len(set(self.counts[1:])) == 1 and self.counts[1] > 1 and (self.rows > 1 or bool(self._solid(1)))

    def evidence(self) -> tuple[int, bool, float, int]:
        """Return the rank of this reading among several that fit; the greatest one wins."""
        odd = sum(count_odd_quotes(self.bytes_of(number), self.dialect) for number in range(len(self.ends)))
        cells = [cell for cell in self.cells() if cell.strip()]
        values = sum(_VALUE.fullmatch(cell) is not None for cell in cells) / len(cells) if cells else 0.0
        return -odd, not any(map(_is_torn, self.record(0))), values, self._solid(0)

    def cells(self) -> list[bytes]:
        """Return the fields of the first rows."""
        found: list[bytes] = []
        for number in range(1, len(self.ends)):
            found += self.record(number)
            if len(found) > _MOST_CELLS:
                break
        return found

    def record(self, number: int) -> list[bytes]:
        return split_record(self.bytes_of(number), self.dialect)

    def bytes_of(self, number: int) -> bytes:
        begin = self.ends[number - 1] if number else 0
        return self.content[begin : self.ends[number]]

    def _solid(self, number: int) -> int:
        """Return the number of delimiters in a record that are not followed by a space, as punctuation would be."""
        return sum(not field.startswith(b" ") for field in self.record(number)[1:])


def _fields_by_record(ends: NDArray[np.int64], delimiters: NDArray[np.int64]) -> tuple[int, ...]:
    upto = np.searchsorted(delimiters, ends)
    return tuple((np.diff(upto, prepend=0) + 1).tolist())


def _is_torn(field: bytes) -> bool:
    return any(field.count(opening) != field.count(closing) for opening, closing in _BRACKETS)
