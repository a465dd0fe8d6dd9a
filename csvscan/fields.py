"""Splits a single record into fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from csvscan.bits import Block, positions
from csvscan.bom import BOM
from csvscan.dialect import Dialect
from csvscan.multibyte import TrailMask

_NO_DELIMITER = 0xFF
"""A byte that is not a delimiter, a quote or a line end."""


def split_record(record: bytes, dialect: Dialect) -> list[bytes]:
    """Return the fields of one record as Python's ``csv`` reads them.

    Args:
        record: bytes of a record; a UTF-8 BOM and blank lines before it, and its line end, are ignored.
        dialect: delimiter and quote.
    """
    text = _trimmed(record)
    fields: list[bytes] = []
    for match in _matches(text, dialect):
        quoted, plain = (text[begin:end] for begin, end in (match.span(1), match.span(2)))
        fields.append(plain if match[1] is None else quoted.replace(dialect.quote * 2, dialect.quote) + plain)
    return fields


def count_odd_quotes(record: bytes, dialect: Dialect) -> int:
    """Return the number of fields with a quote where RFC 4180 allows none, or with text after the closing quote."""
    return sum(
        bool(match[2]) if match[1] is not None else dialect.quote in match[2]
        for match in _matches(_trimmed(record), dialect)
    )


def _trimmed(record: bytes) -> bytes:
    text = record.removeprefix(BOM).lstrip(b"\r\n")
    return text.removesuffix(b"\n").removesuffix(b"\r")


def _matches(text: bytes, dialect: Dialect) -> Iterator[re.Match[bytes]]:
    """Yield the match of each field."""
    for match in _field(dialect).finditer(_without_trails(text, dialect)):
        yield match
        if not match[3]:
            break


def _without_trails(text: bytes, dialect: Dialect) -> bytes:
    """Return ``text`` with every second byte of a character replaced."""
    if dialect.multibyte is None or not text:
        return text
    trails = TrailMask(dialect.multibyte).feed(Block(text))
    if trails is None:
        return text
    masked = np.frombuffer(text, dtype=np.uint8).copy()
    masked[positions(trails)] = _NO_DELIMITER
    return masked.tobytes()


@lru_cache(maxsize=16)
def _field(dialect: Dialect) -> re.Pattern[bytes]:
    """Return a pattern for a field: a quoted part at its start, a plain part, and the delimiter unless it is last."""
    names = {b"q": re.escape(dialect.quote), b"d": re.escape(dialect.delimiter)}
    return re.compile(rb"(?:%(q)b((?:[^%(q)b]++|%(q)b%(q)b)*+)%(q)b?)?([^%(d)b]*+)(%(d)b?)" % names)
