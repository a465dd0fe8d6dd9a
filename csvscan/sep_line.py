"""Excel's first line ``sep=;``, which names the delimiter of the file and is neither header nor data."""

from __future__ import annotations

import re

from csvscan.dialect import Dialect

_LINE = re.compile(
    rb"""(?P<quote>"?)sep=(?P<delimiter>\\t|[^\w\r\n"])(?P=quote)[;,|\t ]*(?P<end>\r\n|\n|\r)""", re.IGNORECASE
)
"""Saved again, the line is quoted where it holds the file's delimiter, and filled up with delimiters."""


def find_sep_line(start: bytes) -> tuple[bytes, int] | None:
    r"""Return the delimiter that a ``sep=`` line at the start of a content names, and the line's length in bytes.

    The case does not matter, the line may be quoted, and ``\t`` may be written out. None: there is no such line. A
    first record such as ``sep=name`` is a header.
    """
    match = _LINE.match(start)
    if match is None:
        return None
    delimiter = b"\t" if match["delimiter"] == rb"\t" else match["delimiter"]
    try:
        Dialect(delimiter)
    except ValueError:
        return None
    return delimiter, match.end()
