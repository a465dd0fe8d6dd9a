"""Reads the header and the rows of files, transcoded to UTF-8 if necessary."""

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
from sequencer.model.blocks import RowBlock
from sequencer.model.source_position import SourcePosition
from sequencer.source.compression import skip
from sequencer.source.row_block_reader import RowBlockReader
from sequencer.source.source_file import SourceFile


@dataclass(frozen=True)
class FileHeader:
    """The header of a file.

    Attributes:
        header: the first record, with the dialect.
        columns: names of the columns.
        encoding: encoding of the content that :func:`read_content` yields.
        transcoded_from: the UTF-16 or multi-byte encoding of the file; None if it is not transcoded.
    """

    header: Header
    columns: tuple[str, ...]
    encoding: str
    transcoded_from: str | None

    @property
    def source_encoding(self) -> str:
        """Encoding of the file as stored."""
        return self.transcoded_from or self.encoding


def read_header(source: SourceFile, *, delimiter: str = "", encoding: str = "") -> FileHeader:
    """Read the header of a file.

    Args:
        source: the file.
        delimiter: a spelling that :func:`csvscan.parse_delimiter` accepts; empty to detect it.
        encoding: any name that Python knows; empty for UTF-8, or UTF-16 with a byte order mark.

    Raises:
        BadRowError: there is no header, or it is not valid.
        SettingsError: the delimiter or the encoding is not supported.
    """
    separator, declared = _declared(delimiter, encoding)
    with source.open(0) as pieces, _named(source):
        transcoded_from, text = _decoded(pieces, declared)
        readable = declared if transcoded_from is None else None
        finder = HeaderFinder(delimiter=separator, encoding=readable)
        header = next(filter(None, map(finder.feed, text)), None) or finder.finish()
    if header.encoding == UNKNOWN_8BIT:
        raise BadRowError(
            f"{source.name}: the header is not UTF-8; set ENCODING: windows-1252 for most Western exports, cp932, "
            "gb18030 or cp949 for East Asian ones"
        )
    columns = tuple(field.decode(header.encoding) for field in header.fields)
    return FileHeader(header=header, columns=columns, encoding=readable or "utf-8", transcoded_from=transcoded_from)


def _declared(delimiter: str, encoding: str) -> tuple[bytes | None, str | None]:
    """Return the declared delimiter, and the name in Python of the declared encoding.

    Raises:
        SettingsError: one of them is not supported.
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
def read_content(source: SourceFile, file_header: FileHeader, start: int) -> Iterator[Iterator[bytes | memoryview]]:
    """Yield the content from byte ``start`` on. If it is transcoded, bytes are those of the UTF-8."""
    if file_header.transcoded_from is None:
        with source.open(start) as pieces:
            yield iter(pieces)
        return
    with source.open(0) as pieces, _named(source):
        yield skip(_decoded(pieces, file_header.transcoded_from)[1], start)


def read_blocks(
    sources: Sequence[SourceFile],
    headers: Sequence[FileHeader],
    *,
    start: SourcePosition,
    stop: SourcePosition | None = None,
) -> Iterator[RowBlock]:
    """Yield the blocks of rows of all files from ``start`` on, up to the row end ``stop`` if given.

    Raises:
        BadRowError: the content is not valid CSV.
    """
    position = start
    for index in range(start.source_index, len(sources)):
        source, file_header = sources[index], headers[index]
        begin = max(position.byte_offset if index == start.source_index else 0, len(file_header.header.prefix))
        position = SourcePosition(position.line, index, begin)
        reader = RowBlockReader(
            header=file_header.header, source_file=source.name, start=position, encoding=file_header.encoding
        )
        with read_content(source, file_header, begin) as pieces:
            ends_here = stop is not None and stop.source_index == index
            for block in reader.read(_first(pieces, stop.byte_offset - begin) if stop and ends_here else pieces):
                position = block.end
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
    """Add the name of the file to the error for invalid CSV."""
    try:
        yield
    except CsvFormatError as error:
        hint = f"; {error.hint}" if error.hint else ""
        raise BadRowError(f"{source.name}: {error.message}{hint}", row=error.row, byte=error.byte) from error
