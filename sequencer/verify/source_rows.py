"""Reads the rows of a source with Python's ``csv``, for verification; shares no code with the encoder."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from sequencer.source.decoding import FileHeader
from sequencer.source.source_file import SourceFile

_MAX_FIELD_BYTES = 2**31 - 1


def rows_by_python(
    sources: Sequence[SourceFile], headers: Sequence[FileHeader]
) -> Iterator[tuple[int, str, dict[str, str] | None]]:
    """Yield line, file and fields by column name of each row of all files; None for the fields of a ragged row."""
    csv.field_size_limit(_MAX_FIELD_BYTES)
    line = 0
    for source, file_header in zip(sources, headers, strict=True):
        encoding = _encoding(file_header)
        with source.open(0) as pieces:
            text = io.TextIOWrapper(io.BufferedReader(_Pieces(pieces)), encoding=encoding, newline="")
            reader = csv.reader(text, delimiter=file_header.header.dialect.delimiter.decode("ascii"))
            if file_header.header.has_sep_line:
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


def _encoding(file_header: FileHeader) -> str:
    """Return the encoding with which Python skips the byte order mark."""
    encoding = file_header.source_encoding
    return {"utf-16-le": "utf-16", "utf-16-be": "utf-16", "utf-8": "utf-8-sig"}.get(encoding, encoding)


class _Pieces(io.RawIOBase):
    """An iterator of bytes as a raw file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, target: object) -> int:
        """Read from the next piece into ``target``."""
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
