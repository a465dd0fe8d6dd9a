"""The input of a job: its files, or its range of them, as encoded blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest

from sequencer.encoding.record_encoder import RecordEncoder
from sequencer.errors import BadRowError
from sequencer.input.dialects import FileDialect
from sequencer.model.blocks import EncodedBlock
from sequencer.model.schema import Schema
from sequencer.model.source_identity import FileIdentity
from sequencer.model.source_position import START, SourcePosition
from sequencer.settings import JobSettings
from sequencer.source.decoding import FileHeader, read_blocks, read_header
from sequencer.source.source_file import SourceFile


@dataclass(frozen=True, kw_only=True)
class JobInput:
    """The files of a source, and the range of them that a job sends.

    Attributes:
        sources: the files, in order.
        headers: the header of each; all have the same columns.
        encoders: one for each file.
        begin: source position before the job's first row.
        end: source position after its last row, or None for the end of the last file.
        upto: the last line to send, counted over all files, or None for the last row.
    """

    sources: Sequence[SourceFile]
    headers: Sequence[FileHeader]
    encoders: Sequence[RecordEncoder]
    begin: SourcePosition = START
    end: SourcePosition | None = None
    upto: int | None = None

    @property
    def row_range(self) -> tuple[int, int | None]:
        """The line before the first row of the range, and of its last row, or None for the end of the source."""
        return self.begin.line, self.end.line if self.end else None

    @property
    def identity(self) -> tuple[FileIdentity, ...]:
        """Name, size and ETag of each file."""
        return tuple(FileIdentity(source.name, source.size_bytes, source.etag) for source in self.sources)

    @property
    def names(self) -> frozenset[str]:
        """The names of the files."""
        return frozenset(source.name for source in self.sources)

    @property
    def total_bytes(self) -> int:
        """Size of the job's range, as stored."""
        end = sum(source.size_bytes for source in self.sources) if self.end is None else self._stored(self.end)
        return end - self._stored(self.begin)

    def bytes_upto(self, place: SourcePosition) -> int:
        """Return the stored size up to ``place``; 0 in a compressed file, as it is read from its start."""
        return self._stored(place) - self._stored(self.begin)

    def _stored(self, place: SourcePosition) -> int:
        before = sum(source.size_bytes for source in self.sources[: place.source_index])
        return before if self.sources[place.source_index].compressed else before + place.byte_offset

    def _bytes_read(self, source_index: int) -> int:
        """Return how much of the range was read, while the file ``source_index`` is being read."""
        before = sum(source.size_bytes for source in self.sources[:source_index])
        return before + self.sources[source_index].stored_bytes_read - self._stored(self.begin)

    def encoded(self, *, place: SourcePosition, last_line: int) -> Iterator[EncodedBlock]:
        """Yield the encoded blocks after row ``last_line`` (see :meth:`to_encode`)."""
        return (encode() for encode in self.to_encode(place=place, last_line=last_line))

    def to_encode(
        self, *, place: SourcePosition, last_line: int, on_read: Callable[[int], None] = lambda _: None
    ) -> Iterator[Callable[[], EncodedBlock]]:
        """Yield a function that encodes a block, for each block after row ``last_line``.

        Args:
            place: source position to start reading at, at or before ``last_line``.
            last_line: the row to continue after.
            on_read: called after each block with the number of bytes read, as stored.

        Raises:
            BadRowError: the content is not CSV. The functions raise it for a bad row that fails the job.
        """
        upto = self.upto
        for block in read_blocks(self.sources, self.headers, start=place, stop=self.end):
            on_read(self._bytes_read(block.start.source_index))
            if upto is not None and upto <= max(last_line, block.start.line):
                return
            if block.end.line > last_line:
                skip = max(0, last_line - block.start.line)
                take = None if upto is None else upto - block.start.line - skip
                yield partial(self.encoders[block.start.source_index].encode, block, skip=skip, take=take)


def open_input(
    sources: Sequence[SourceFile],
    *,
    settings: JobSettings,
    schema: Schema,
    dialects: Sequence[FileDialect] = (),
) -> JobInput:
    """Read the headers and prepare the encoders.

    Args:
        sources: the files.
        settings: settings of the job.
        schema: the typed columns.
        dialects: how each file was read before; the settings take precedence.

    Raises:
        BadRowError: a header is not valid, or not that of the first file.
    """
    headers = [
        read_header(
            source,
            delimiter=settings.delimiter or (known.delimiter if known else ""),
            encoding=settings.encoding or (known.encoding if known else ""),
        )
        for source, known in zip_longest(sources, dialects[: len(sources)])
    ]
    for source, head in zip(sources, headers, strict=True):
        if head.columns != headers[0].columns:
            raise BadRowError(
                f"{source.name}: the header is {','.join(head.columns)[:200]!r} and that of {sources[0].name} is "
                f"{','.join(headers[0].columns)[:200]!r}; they must have the same columns in the same order",
                row=0,
            )
    encoders = [
        RecordEncoder(
            columns=head.columns,
            dialect=head.header.dialect,
            encoding=head.encoding,
            schema=schema,
            on_bad_row=settings.on_bad_row,
            max_record_bytes=settings.max_record_bytes,
        )
        for head in headers
    ]
    return JobInput(sources=sources, headers=headers, encoders=encoders, upto=settings.limit or None)
