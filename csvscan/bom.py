"""Byte order marks."""

from __future__ import annotations

import codecs

BOM = codecs.BOM_UTF8
BOM_PROBE_BYTES = 4
"""Number of first bytes that tell the marks apart: that of UTF-32 begins like that of UTF-16."""
_BOMS = ((BOM, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def detect_bom(start: bytes) -> tuple[str, int] | None:
    """Return the encoding that the byte order mark at the start of a content stands for, and the mark's length.

    The encoding is ``utf-8``, ``utf-16-le`` or ``utf-16-be``. None if there is no mark, or if it is that of UTF-32,
    which :class:`csvscan.header.HeaderFinder` refuses by name.
    """
    if start.startswith(codecs.BOM_UTF32_LE):
        return None
    return next(((name, len(bom)) for bom, name in _BOMS if start.startswith(bom)), None)
