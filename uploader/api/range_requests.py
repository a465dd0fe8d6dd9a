"""Conditional and partial downloads (RFC 9110, 13 and 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from uploader.errors import RangeNotSatisfiableError

_SINGLE_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.IGNORECASE)


def find_range(headers: Mapping[str, str], *, etag: str, size_bytes: int) -> range | None:
    """Return the bytes to send, from the headers of a request; None for all of them.

    A range of another unit, several ranges, and ranges of another content (``If-Range``) are ignored, as section 14.2
    allows. ``If-Range`` with a date never matches: the ETag is the validator here.

    Raises:
        RangeNotSatisfiableError: the range is behind the end.
    """
    asked = _byte_range(headers.get("range")) if headers.get("if-range", etag) == etag else None
    if asked is None:
        return None
    first, last = asked
    span = (
        range(max(0, size_bytes - int(last)), size_bytes)
        if first == ""
        else range(int(first), min(int(last or size_bytes) + 1, size_bytes))
    )
    if not span:
        raise RangeNotSatisfiableError(
            f"Range {headers['range']} is outside the chunk's {size_bytes} bytes", size_bytes=size_bytes
        )
    return span


def is_unchanged(if_none_match: str | None, etag: str) -> bool:
    """Return whether the client says that it has this very chunk (weak comparison, RFC 9110, 13.1.2)."""
    if if_none_match is None:
        return False
    return any(tag.strip().removeprefix("W/") in {etag, "*"} for tag in if_none_match.split(","))


def _byte_range(value: str | None) -> tuple[str, str] | None:
    """Return first and last byte of a range that is to be served; one of the two may be empty."""
    found = None if value is None else _SINGLE_RANGE.fullmatch(value.replace(" ", ""))
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    return None if first and last and int(last) < int(first) else (first, last)
