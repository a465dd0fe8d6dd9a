"""Conditional and partial downloads (RFC 9110, 13 and 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from contracts.number_text import counted
from uploader.errors import RangeNotSatisfiableError

_SINGLE_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.IGNORECASE)


def find_range(headers: Mapping[str, str], *, etag: str, size_bytes: int) -> range | None:
    """Return the range of bytes that the headers of a request ask for, or None for the whole chunk.

    Ranges in another unit, several ranges, and ranges of other content (``If-Range``) are ignored, as section 14.2
    allows. ``If-Range`` with a date never matches: only the ETag is a validator.

    Raises:
        RangeNotSatisfiableError: the range starts after the end.
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
            f"Range {headers['range']} is outside the chunk, which has {counted(size_bytes, 'byte')}",
            size_bytes=size_bytes,
        )
    return span


def is_unchanged(if_none_match: str | None, etag: str) -> bool:
    """Return whether the client already has this chunk (weak comparison, RFC 9110, 13.1.2)."""
    if if_none_match is None:
        return False
    return any(tag.strip().removeprefix("W/") in {etag, "*"} for tag in if_none_match.split(","))


def _byte_range(value: str | None) -> tuple[str, str] | None:
    """Return the first and last byte of a single range, or None; one of them may be empty."""
    found = None if value is None else _SINGLE_RANGE.fullmatch(value.replace(" ", ""))
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    return None if first and last and int(last) < int(first) else (first, last)
