"""Positions between two rows of a source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourcePosition:
    """A place between two rows of the whole sequence.

    Attributes:
        line: how many data rows lie before it, over all files; so also the ``_source_line`` of the last of them.
        source_index: the file that it lies in, from 0.
        byte_offset: where it lies in that file's content, after decompression.
    """

    line: int = 0
    source_index: int = 0
    byte_offset: int = 0


START = SourcePosition()
"""The start of the first file."""
