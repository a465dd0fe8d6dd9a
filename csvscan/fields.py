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
    quote, doubled = dialect.quote, dialect.quote * 2
    fields: list[bytes] = []
    start = 0
    while True:
        match = _field(dialect).match(text, start)
        assert match is not None
        quoted, plain = match.groups()
        fields.append(plain if quoted is None else quoted.replace(doubled, quote) + plain)
        if match.end() == len(text):
            return fields
        start = match.end() + 1


@lru_cache(maxsize=16)
def _field(dialect: Dialect) -> re.Pattern[bytes]:
    quote, delimiter = re.escape(dialect.quote), re.escape(dialect.delimiter)
    return re.compile(rb"(?:%b((?:[^%b]++|%b%b)*+)%b?)?([^%b]*+)" % (quote, quote, quote, quote, quote, delimiter))
