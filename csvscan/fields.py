"""The fields of a single record."""

from __future__ import annotations

import re
from functools import lru_cache

from csvscan.dialect import BOM, Dialect


def split_record(record: bytes, dialect: Dialect) -> list[bytes]:
    """Return the fields of one record as Python's ``csv`` gives them.

    Args:
        record: the bytes of a record; a UTF-8 BOM before it, blank lines before it and its line end are ignored.
        dialect: delimiter and quote.
    """
    text = record.removeprefix(BOM).lstrip(b"\r\n")
    text = text.removesuffix(b"\n").removesuffix(b"\r")
    fields: list[bytes] = []
    for match in _field(dialect).finditer(text):
        quoted, plain, delimiter = match.groups()
        fields.append(plain if quoted is None else quoted.replace(dialect.quote * 2, dialect.quote) + plain)
        if not delimiter:
            break
    return fields


@lru_cache(maxsize=16)
def _field(dialect: Dialect) -> re.Pattern[bytes]:
    """Match a quoted part at the field's start, a plain part, and the delimiter unless it is the last field."""
    names = {b"q": re.escape(dialect.quote), b"d": re.escape(dialect.delimiter)}
    return re.compile(rb"(?:%(q)b((?:[^%(q)b]++|%(q)b%(q)b)*+)%(q)b?)?([^%(d)b]*+)(%(d)b?)" % names)
