"""Which delimiter does a header use?"""

from __future__ import annotations

from csvscan.bits import Block, MaskMaker, Words, count
from csvscan.dialect import BOM, DELIMITERS
from csvscan.records import RecordFinder


def sniff_delimiter(header: bytes) -> bytes:
    """Return the one of ``, ; tab |`` that stands most often outside of quotes in the header record.

    The first of them wins a tie, and is the answer where there is none of them at all.
    """
    record = Block(header.removeprefix(BOM))
    if not record.size:
        return DELIMITERS[:1]
    finder = RecordFinder(delimiters=DELIMITERS, quote=b'"')
    outside = finder.feed(record, want_delimiters=True)[1]
    if outside is None:
        return DELIMITERS[:1]
    masks = MaskMaker()
    return max((bytes([byte]) for byte in DELIMITERS), key=lambda one: _frequency(masks.mask(record, one[0]), outside))


def _frequency(mask: Words | None, outside: Words) -> int:
    return 0 if mask is None else count(mask & outside)
