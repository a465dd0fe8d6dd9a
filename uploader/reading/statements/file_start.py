"""The lines up to the first row, which every object of an upload begins with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from csvscan import CsvFormatError, HeaderFinder

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BLANK_LINES = re.compile(rb"[\r\n]*")
_LINE_END_IN_NAME = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, kw_only=True)
class FileStart:
    """How many lines there are before the first row.

    Attributes:
        lines: their number, whether in quotes or not.
        lines_before_header: number of those before the header: a line ``sep=``, and blank ones.
        line_end: the line end of the header; None if it has none, or if it is not known.
        is_known: whether the file was looked at; otherwise it is assumed to begin with the header.
    """

    lines: int
    lines_before_header: int
    line_end: str | None
    is_known: bool

    @classmethod
    def of(cls, prefix: bytes, *, delimiter: str) -> Self | None:
        """Return what ``prefix``, the bytes before the first row, says; None if it is not such a prefix."""
        finder = HeaderFinder(delimiter=delimiter.encode("ascii"))
        try:
            header = finder.feed(prefix) or finder.finish()
        except CsvFormatError:
            return None
        blank_lines = _BLANK_LINES.match(prefix, header.record_start)
        assert blank_lines is not None  # noqa: S101  it matches nothing as well
        before = len(_LINE_END.findall(blank_lines[0])) + header.has_sep_line
        line_ends = _LINE_END.findall(prefix)
        has_end = prefix.endswith((b"\r", b"\n"))
        return cls(
            lines=len(line_ends),
            lines_before_header=before,
            line_end=line_ends[-1].decode("ascii") if has_end else None,
            is_known=True,
        )

    @classmethod
    def assumed(cls, headers: list[str]) -> Self:
        """Return what holds if nothing precedes the header."""
        lines = 1 + sum(len(_LINE_END_IN_NAME.findall(name)) for name in headers)
        return cls(lines=lines, lines_before_header=0, line_end=None, is_known=False)
