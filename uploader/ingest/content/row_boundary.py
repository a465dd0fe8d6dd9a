"""Positions between rows, and blocks of scanned content."""

from __future__ import annotations

from dataclasses import dataclass

from csvscan import Scan


@dataclass(frozen=True, slots=True)
class RowBoundary:
    """A position between two rows: ``offset`` bytes of content and ``rows`` rows precede it."""

    offset: int
    rows: int


@dataclass(frozen=True, slots=True)
class ScannedBlock:
    """A block of the body and the row ends in it; ``start`` is its position, with the rows that ended before it."""

    data: memoryview
    scan: Scan
    start: RowBoundary
