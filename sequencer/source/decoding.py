"""A file as text: its header, and what follows it in an encoding whose line ends are single bytes."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice

from contracts.errors import SettingsError
from csvscan import (
    UNKNOWN_8BIT,
    UTF_16,
    CsvFormatError,
    DelimiterError,
    Header,
    HeaderFinder,
    Transcoder,
    check_encoding,
    parse_delimiter,
)
from sequencer.errors import BadRowError
from sequencer.model.blocks import RecordBlock
from sequencer.model.source_position import SourcePosition
from sequencer.source.compression import skip
from sequencer.source.row_blocks import RowBlocks
from sequencer.source.source_file import SourceFile


@dataclass(frozen=True)
class FileHeader:
    """What the start of a file tells.

    Attributes:
        header: its first record, with the dialect.
        columns: the names in it.
        encoding: what the content is in once it is read by :func:`read_content`.
        transcoded_from: the UTF-16 or multi-byte encoding that it is made from; None: it is read as it is.
    """

    header: Header
    columns: tuple[str, ...]
    encoding: str
    transcoded_from: str | None

    @property
    def source_encoding(self) -> str:
        """The encoding of the file as it is stored."""
        return self.transcoded_from or self.encoding


def read_head(source: SourceFile, *, delimiter: str = "", encoding: str = "") -> FileHeader:
    """Read the header of a file.

    Args:
        source: the file.
        delimiter: as :func:`csvscan.delimiters.parse_delimiter` reads it; empty: it is found out.
        encoding: by any name that Python knows; empty: UTF-8, or UTF-16 by its byte order mark.

    Raises:
        BadRowError: there is none, or it is not valid.
        SettingsError: the delimiter or the encoding cannot be.
    """
    separator, declared = _declared(delimiter, encoding)
    with source.open(0) as pieces, _named(source):
        transcoded_from, text = _decoded(pieces, declared)
        readable = declared if transcoded_from is None else None
        finder = HeaderFinder(delimiter=separator, encoding=readable)
        header = next(filter(None, map(finder.feed, text)), None) or finder.finish()
    if header.encoding == UNKNOWN_8BIT:
        raise BadRowError(
            f"{source.name}: the header is not UTF-8; say with ENCODING what it is: windows-1252 for most Western "
            "exports, cp932, gb18030 or cp949 for East Asian ones"
        )
    columns = tuple(field.decode(header.encoding) for field in header.fields)
    return FileHeader(header=header, columns=columns, encoding=readable or "utf-8", transcoded_from=transcoded_from)


def _declared(delimiter: str, encoding: str) -> tuple[bytes | None, str | None]:
    """Return the delimiter and the encoding that are declared, by their names in Python.

    Raises:
        SettingsError: they cannot be.
    """
    try:
        separator = parse_delimiter(delimiter)
    except DelimiterError as error:
        raise SettingsError(f"DELIMITER: {error}") from error
    if not encoding:
        return separator, None
    try:
        name = codecs.lookup(encoding).name
        return separator, name if name in UTF_16 else check_encoding(encoding)
    except (LookupError, ValueError) as error:
        raise SettingsError(f"ENCODING: {error}") from error


@contextmanager
def read_content(source: SourceFile, head: FileHeader, start: int) -> Iterator[Iterator[bytes | memoryview]]:
    """Give the content from byte ``start`` of it on; what is transcoded is read from its start and counted as UTF-8."""
    if head.transcoded_from is None:
        with source.open(start) as pieces:
            yield iter(pieces)
        return
    with source.open(0) as pieces, _named(source):
        yield skip(_decoded(pieces, head.transcoded_from)[1], start)


def read_rows(
    sources: Sequence[SourceFile],
    heads: Sequence[FileHeader],
    *,
    start: SourcePosition,
    stop: SourcePosition | None = None,
) -> Iterator[RecordBlock]:
    """Give the blocks of rows of all files from ``start`` on, up to the row end ``stop`` where it is given.

    Raises:
        BadRowError: the content is no CSV.
    """
    place = start
    for index in range(start.source_index, len(sources)):
        source, head = sources[index], heads[index]
        begin = max(place.byte_offset if index == start.source_index else 0, len(head.header.prefix))
        place = SourcePosition(place.line, index, begin)
        rows = RowBlocks(header=head.header, source_file=source.name, start=place, encoding=head.encoding)
        with read_content(source, head, begin) as pieces:
            ends_here = stop is not None and stop.source_index == index
            for block in rows.split(_first(pieces, stop.byte_offset - begin) if stop and ends_here else pieces):
                place = block.end
                yield block
        if ends_here:
            return


def _decoded(pieces: Iterator[bytes], declared: str | None) -> tuple[str | None, Iterator[memoryview]]:
    """Return the encoding that the content is transcoded from, or None, and the content.

    Raises:
        CsvFormatError: the byte order mark contradicts the declared encoding.
    """
    transcoder = Transcoder(declared=declared)
    content = _transcode(pieces, transcoder)
    first = list(islice(content, 1))
    return transcoder.transcoded_from, chain(first, content)


def _transcode(pieces: Iterator[bytes], transcoder: Transcoder) -> Iterator[memoryview]:
    """Yield the content in pieces that are not empty; ``transcoded_from`` is known with the first one."""
    for piece in pieces:
        if content := transcoder.feed(piece):
            yield content
    if content := transcoder.finish():
        yield content


def _first(pieces: Iterator[bytes | memoryview], size: int) -> Iterator[bytes | memoryview]:
    for piece in pieces:
        if size <= 0:
            return
        yield piece[:size]
        size -= len(piece)


@contextmanager
def _named(source: SourceFile) -> Iterator[None]:
    """Name the file that is no CSV."""
    try:
        yield
    except CsvFormatError as error:
        hint = f"; {error.hint}" if error.hint else ""
        raise BadRowError(f"{source.name}: {error.message}{hint}", row=error.row, byte=error.byte) from error
