"""The line ``sep=;`` that Excel writes and reads as the first line: it names the delimiter."""

from __future__ import annotations

import re

from csvscan.dialect import Dialect

_LINE = re.compile(
    rb"""(?P<quote>"?)sep=(?P<delimiter>\\t|[^\w\r\n"])(?P=quote)[;,|\t ]*(?P<end>\r\n|\n|\r)""", re.IGNORECASE
)
"""When Excel saves such a file again, it quotes the line if it contains the delimiter, and pads it with delimiters."""


def find_sep_line(start: bytes) -> tuple[bytes, int] | None:
    r"""Return the delimiter named by a ``sep=`` line at the start of a content, and the line's length in bytes.

    Case does not matter, the line may be quoted, and a tab may be written as ``\t``. None if there is no such line; a
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
