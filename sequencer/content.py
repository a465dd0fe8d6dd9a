"""A file as text: its header, and what follows it in an encoding whose line ends are single bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from csvscan.encoding import UNKNOWN_8BIT, UnsupportedEncodingError, check_encoding
from csvscan.errors import CsvFormatError
from csvscan.header import Header, HeaderFinder
from csvscan.transcode import BOM_PROBE_BYTES, Utf16Transcoder, detect_bom
from sequencer.decompress import skip
from sequencer.errors import BadRowError, JobSettingsError
from sequencer.model import Place, RecordBlock
from sequencer.records import RowBlocks
from sequencer.source import SourceFile

_UTF16: dict[str, Literal["utf-16-le", "utf-16-be"]] = {"utf-16-le": "utf-16-le", "utf-16-be": "utf-16-be"}


@dataclass(frozen=True)
class FileHead:
    """What the start of a file tells.

    Attributes:
        header: its first record, with the dialect.
        columns: the names in it.
        encoding: what the content is in once it is read by :func:`read_content`.
        transcoded_from: the UTF-16 that it is made from; None: it is read as it is.
    """

    header: Header
    columns: tuple[str, ...]
    encoding: str
    transcoded_from: Literal["utf-16-le", "utf-16-be"] | None


def read_head(source: SourceFile, *, delimiter: str = "", encoding: str = "") -> FileHead:
    """Read the header of a file.

    Raises:
        BadRowError: there is none, or it is not valid.
        JobSettingsError: the delimiter or the encoding cannot be.
    """
    try:
        declared = check_encoding(encoding) if encoding and not encoding.lower().startswith("utf-16") else None
        finder = HeaderFinder(delimiter=delimiter.encode() or None, encoding=declared)
    except (UnsupportedEncodingError, ValueError) as error:
        raise JobSettingsError(f"DELIMITER or ENCODING: {error}") from error
    with source.open(0) as pieces, _named(source):
        transcoded_from, text = _decoded(pieces)
        header = next(filter(None, map(finder.feed, text)), None) or finder.finish()
    if header.encoding == UNKNOWN_8BIT:
        raise BadRowError(f"{source.name}: the header is not UTF-8; say what it is with ENCODING (latin-1, cp1252 ...)")
    columns = tuple(field.decode(header.encoding) for field in header.fields)
    return FileHead(header=header, columns=columns, encoding=declared or "utf-8", transcoded_from=transcoded_from)


@contextmanager
def read_content(source: SourceFile, head: FileHead, start: int) -> Iterator[Iterator[bytes]]:
    """Give the content from byte ``start`` of it on; UTF-16 is read from its start and counted as UTF-8."""
    if head.transcoded_from is None:
        with source.open(start) as pieces:
            yield iter(pieces)
        return
    with source.open(0) as pieces, _named(source):
        yield skip(_decoded(pieces)[1], start)


def read_rows(
    sources: Sequence[SourceFile], heads: Sequence[FileHead], *, start: Place, stop: Place | None = None
) -> Iterator[RecordBlock]:
    """Give the blocks of rows of all files from ``start`` on, up to the row end ``stop`` where it is given.

    Raises:
        BadRowError: the content is no CSV.
    """
    place = start
    for index in range(start.source_index, len(sources)):
        source, head = sources[index], heads[index]
        begin = max(place.byte_offset if index == start.source_index else 0, len(head.header.prefix))
        place = Place(place.line, index, begin)
        rows = RowBlocks(header=head.header, source_file=source.name, start=place, encoding=head.encoding)
        with read_content(source, head, begin) as pieces:
            ends_here = stop is not None and stop.source_index == index
            for block in rows.split(_first(pieces, stop.byte_offset - begin) if stop and ends_here else pieces):
                place = block.end
                yield block
        if ends_here:
            return


def _decoded(pieces: Iterator[bytes]) -> tuple[Literal["utf-16-le", "utf-16-be"] | None, Iterator[bytes]]:
    """Look at the first bytes for a byte order mark of UTF-16; return it, and the text as UTF-8."""
    start = b""
    for piece in pieces:
        start += piece
        if len(start) >= BOM_PROBE_BYTES:
            break
    bom = detect_bom(start[:BOM_PROBE_BYTES])
    kind = _UTF16.get(bom[0]) if bom else None
    if kind is None:
        return None, _chain(start, pieces)
    return kind, _transcode(_chain(start, pieces), kind)


def _transcode(pieces: Iterator[bytes], kind: Literal["utf-16-le", "utf-16-be"]) -> Iterator[bytes]:
    transcoder = Utf16Transcoder(kind)
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
        raise BadRowError(f"{source.name}: {error.message}", row=error.row, byte=error.byte) from error
