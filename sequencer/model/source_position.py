"""Positions between two rows of a source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourcePosition:
    """A position between two rows.

    Attributes:
        line: number of data rows before it, over all files; equal to ``_source_line`` of the last of them.
        source_index: number of its file, from 0.
        byte_offset: its offset in the decompressed content of the file.
    """

    line: int = 0
    source_index: int = 0
    byte_offset: int = 0


START = SourcePosition()
"""The start of the first file."""
