"""The rows of a source as Python's ``csv`` reads them, for the proof: none of the code that sends takes part in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from sequencer.source.decoding import FileHeader
from sequencer.source.source_file import SourceFile

_LARGEST_FIELD_BYTES = 2**31 - 1


def rows_by_python(
    sources: Sequence[SourceFile], heads: Sequence[FileHeader]
) -> Iterator[tuple[int, str, dict[str, str] | None]]:
    """Give line, file and fields by name of each row, over all files; None for the fields of one of another width."""
    csv.field_size_limit(_LARGEST_FIELD_BYTES)
    line = 0
    for source, head in zip(sources, heads, strict=True):
        encoding = _encoding(head)
        with source.open(0) as pieces:
            text = io.TextIOWrapper(io.BufferedReader(_Pieces(pieces)), encoding=encoding, newline="")
            reader = csv.reader(text, delimiter=head.header.dialect.delimiter.decode("ascii"))
            if head.header.has_sep_line:
                text.readline()
            names: list[str] | None = None
            for row in reader:
                if not row:
                    continue
                if names is None:
                    names = row
                    continue
                line += 1
                fits = len(row) == len(names)
                yield line, source.name, dict(zip(names, row, strict=True)) if fits else None


def _encoding(head: FileHeader) -> str:
    """Return what Python reads the file in, past its byte order mark."""
    encoding = head.source_encoding
    return {"utf-16-le": "utf-16", "utf-16-be": "utf-16", "utf-8": "utf-8-sig"}.get(encoding, encoding)


class _Pieces(io.RawIOBase):
    """An iterator of bytes as a raw file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, target: object) -> int:
        """Fill ``target`` as far as the next piece goes."""
        view = memoryview(target)  # type: ignore[arg-type]  # a writable buffer, as io demands
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(view), len(self._rest))
        view[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
