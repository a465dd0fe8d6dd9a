"""The first rows in the start of a chunk file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from csvscan import Dialect, scan_rows
from uploader.domain.records import UploadOverview
from uploader.domain.shown_cells import shown_cells


@dataclass(frozen=True, kw_only=True)
class ChunkStart:
    """The first bytes of a chunk file.

    Attributes:
        content: these bytes.
        is_whole: whether they are the whole file.
    """

    content: bytes
    is_whole: bool


def first_rows(upload: UploadOverview, start: ChunkStart, *, limit: int) -> list[list[str]]:
    """Return the first ``limit`` rows in the start of a chunk, as they are shown.

    A row that the end of ``start`` cuts off is not returned, unless it is the first.
    """
    dialect = Dialect.for_encoding(upload.delimiter.encode("ascii"), upload.encoding)
    body = memoryview(start.content)[upload.header_bytes :]
    records = _records(body, dialect, limit=limit, is_whole=start.is_whole)
    return [shown_cells(record, dialect, upload.encoding) for record in records]


def _records(body: memoryview, dialect: Dialect, *, limit: int, is_whole: bool) -> Iterator[bytes]:
    scan = scan_rows(body, dialect)
    begin, found = 0, min(scan.rows, limit)
    for number in range(1, found + 1):
        end = scan.end_of_row(number)
        yield bytes(body[begin:end])
        begin = end
    if found < limit and (is_whole or not found):
        rest = bytes(body[begin:])
        if rest.strip(b"\r\n"):
            yield rest
