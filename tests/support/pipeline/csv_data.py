"""Deterministic CSV files with known contents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HEADER = b"id,amount,name,remark\n"
_ROWS_A_BLOCK = 4096


@dataclass(frozen=True)
class CsvFile:
    """A CSV on disk."""

    path: Path
    rows: int
    size_bytes: int
    sha256: str


def write_csv(path: Path, *, size_bytes: int, quoted: bool = False, salt: str = "") -> CsvFile:
    """Write rows until the file has at least ``size_bytes``; no two rows are alike.

    Args:
        path: of the file.
        size_bytes: least size; the last row goes over it by less than its own length.
        quoted: put newlines, delimiters and doubled quotes into a quoted field of every row.
        salt: goes into each row, so that two files have no row in common.
    """
    digest = hashlib.sha256(HEADER)
    rows, written = 0, len(HEADER)
    with path.open("wb") as file:
        file.write(HEADER)
        for block in _blocks(quoted, salt):
            lines, size = _cut(block, size_bytes - written)
            data = b"".join(lines)
            file.write(data)
            digest.update(data)
            rows, written = rows + len(lines), written + size
            if written >= size_bytes:
                return CsvFile(path, rows, written, digest.hexdigest())
    raise AssertionError("blocks never end")


def _blocks(quoted: bool, salt: str) -> Iterator[list[bytes]]:
    first = 1
    remark = (
        'line one of %d\nline ""two"", with a comma\r\nand a CRLF' if quoted else "plain remark on row %d " + "." * 120
    )
    form = f'%d,%d.%02d,customer {salt} %d,"{remark}"\n' if quoted else f"%d,%d.%02d,customer {salt} %d,{remark}\n"
    while True:
        numbers = range(first, first + _ROWS_A_BLOCK)
        yield [(form % (n, n * 7919 % 100_003, n % 100, n % 9_973, n)).encode() for n in numbers]
        first += _ROWS_A_BLOCK


def _cut(block: list[bytes], size_bytes: int) -> tuple[list[bytes], int]:
    """Return the lines of ``block`` up to the one that reaches ``size_bytes``, and their size."""
    total = 0
    for count, line in enumerate(block, start=1):
        total += len(line)
        if total >= size_bytes:
            return block[:count], total
    return block, total
