"""A file as text: its header, and what follows it in an encoding whose line ends are single bytes."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from csvscan.delimiters import DelimiterError, parse_delimiter
from csvscan.encoding import UNKNOWN_8BIT, check_encoding
from csvscan.errors import CsvFormatError
from csvscan.header import Header, HeaderFinder
from csvscan.multibyte import MULTIBYTE_ENCODINGS
from csvscan.transcode import BOM_PROBE_BYTES, MultibyteTranscoder, Utf16Transcoder, detect_bom
from sequencer.errors import BadRowError, JobSettingsError
from sequencer.model.blocks import RecordBlock
from sequencer.model.source_position import SourcePosition
from sequencer.source.compression import skip
from sequencer.source.files import SourceFile
from sequencer.source.row_blocks import RowBlocks

_UTF16 = ("utf-16", "utf-16-le", "utf-16-be")


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
        JobSettingsError: the delimiter or the encoding cannot be.
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
        JobSettingsError: they cannot be.
    """
    try:
        separator = parse_delimiter(delimiter)
    except DelimiterError as error:
        raise JobSettingsError(f"DELIMITER: {error}") from error
    if not encoding:
        return separator, None
    try:
        name = codecs.lookup(encoding).name
        return separator, name if name in _UTF16 else check_encoding(encoding)
    except (LookupError, ValueError) as error:
        raise JobSettingsError(f"ENCODING: {error}") from error


@contextmanager
def read_content(source: SourceFile, head: FileHeader, start: int) -> Iterator[Iterator[bytes]]:
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


def _decoded(pieces: Iterator[bytes], declared: str | None) -> tuple[str | None, Iterator[bytes]]:
    """Return what has to be transcoded, by the byte order mark or the declaration, and the text as UTF-8.

    Raises:
        CsvFormatError: the mark and the declaration do not fit together.
    """
    start = b""
    for piece in pieces:
        start += piece
        if len(start) >= BOM_PROBE_BYTES:
            break
    bom = detect_bom(start[:BOM_PROBE_BYTES])
    kind = bom[0] if bom and bom[0] in _UTF16 else None
    if declared is not None and (kind or declared in _UTF16) and declared not in ("utf-16", kind):
        raise _contradiction(declared, kind)
    if declared == "utf-16" and kind is None:
        raise _contradiction(declared, kind)
    text = _chain(start, pieces)
    if kind is not None:
        return kind, _transcode(text, Utf16Transcoder(kind))
    if declared in MULTIBYTE_ENCODINGS:
        return declared, _transcode(text, MultibyteTranscoder(declared))
    return None, text


def _contradiction(declared: str, kind: str | None) -> CsvFormatError:
    found = "no byte order mark of UTF-16" if kind is None else f"the byte order mark of {kind}"
    return CsvFormatError("invalid_encoding", row=0, byte=0, expected=f"text in {declared}", found=found)


def _transcode(pieces: Iterator[bytes], transcoder: Utf16Transcoder | MultibyteTranscoder) -> Iterator[bytes]:
    for piece in pieces:
        yield transcoder.feed(piece)
    yield transcoder.finish()


def _chain(start: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield start
    yield from pieces


def _first(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
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
