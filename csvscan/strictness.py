"""How rows with another number of fields than the header are treated."""

from __future__ import annotations

from enum import StrEnum


class Strictness(StrEnum):
    """Which rows with another number of fields than the header are accepted."""

    STRICT = "true"
    """None."""
    LENIENT = "lenient"
    """Those with more fields, if all surplus ones are empty and unquoted, as spreadsheets write them (``1,2,,,``)."""
    OFF = "false"
    """All."""
