"""The cells of a row as the API shows them."""

from __future__ import annotations

from itertools import islice

from contracts.previews import MAX_CELL_CHARS, MAX_ROW_CELLS
from csvscan import UNKNOWN_8BIT, Dialect, split_record

_MOST_BYTES_A_CHARACTER = 4


def shown_cells(record: bytes, dialect: Dialect, encoding: str) -> list[str]:
    """Return the first cells of a record, each cut at ``MAX_CELL_CHARS``; bytes of an unknown encoding are Latin-1."""
    codec = "latin-1" if encoding == UNKNOWN_8BIT else encoding
    cells = islice(split_record(record, dialect), MAX_ROW_CELLS)
    longest = MAX_CELL_CHARS * _MOST_BYTES_A_CHARACTER
    return [cell[:longest].decode(codec, errors="replace")[:MAX_CELL_CHARS] for cell in cells]
