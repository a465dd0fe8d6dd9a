"""A scan that follows the bytes of a resumable upload, and can be saved between two pieces.

Only content that is stored as it is sent can be followed: the state of a decoder cannot be saved, so a file that is
compressed or in UTF-16 is read again from the disk when its last byte is there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

from csvscan import Transcoder, detect_compression
from uploader.disk.part_file import Mark
from uploader.domain.cutting import ChunkType, CutOptions
from uploader.ingest.chunking.chunk_cutter import ChunkBounds, ChunkCutter, NullSink, join_blank_tail, too_many_chunks
from uploader.ingest.chunking.chunk_plan import choose_plan
from uploader.ingest.chunking.row_index import RowIndex
from uploader.ingest.chunking.spool_file import bounds_by_count
from uploader.ingest.content.content_scanner import ContentScanner
from uploader.ingest.content.content_state import ContentState
from uploader.ingest.content.row_boundary import RowBoundary, ScannedBlock
from uploader.ingest.pipeline.blocks import DEFAULT_BLOCK_BYTES
from uploader.resumable.part_digests import Cuts

_MAGIC_BYTES = 16
_REREAD = {"reread": True}
"""The saved state of content that is not followed."""


class ContentFollower:
    """Scans the bytes in their order, and finds the places to cut."""

    def __init__(self, options: CutOptions, *, max_chunks: int, length: int | None) -> None:
        self.position = 0
        """Number of bytes fed."""
        self.is_followed = True
        """Whether the content is stored as it is sent, as far as the bytes so far tell."""
        self._options = options
        self._transcoder = Transcoder()
        self._scanner: ContentScanner | None = None
        self._index = RowIndex()
        self._cutter: ChunkCutter | None = None
        self._saved_marks = 0
        if options.chunk_type is not ChunkType.COUNT:
            self._cutter = ChunkCutter(
                plan=choose_plan(options),
                sink=NullSink(),
                max_chunks=max_chunks,
                on_too_many=too_many_chunks(options=options, max_chunks=max_chunks, expected_bytes=length),
            )

    @classmethod
    def restore(
        cls,
        scan: dict[str, Any] | None,
        marks: Sequence[Mark],
        *,
        options: CutOptions,
        max_chunks: int,
        length: int | None,
        read_prefix: Callable[[int], bytes],
    ) -> Self:
        """Return a follower that continues after what another one has saved.

        Args:
            scan: see :meth:`save`.
            marks: all that were saved with it.
            options: those of the other one.
            max_chunks: the limit.
            length: size of the whole file, if it is known.
            read_prefix: returns the first bytes of the file.
        """
        follower = cls(options, max_chunks=max_chunks, length=length)
        if scan == _REREAD:
            follower.is_followed = False
        elif scan is not None:
            follower._resume(ContentState.model_validate(scan), marks, read_prefix)
        return follower

    def feed(self, data: memoryview) -> None:
        """Scan the next bytes.

        Raises:
            InvalidCsvError: they are not valid CSV.
            TooManyChunksError: the chunks are too small.
            InvalidFieldError: the declared encoding cannot be checked.
        """
        self.position += len(data)
        if not self.is_followed:
            return
        if self._scanner is None:
            data = self._transcoder.feed(data)
            if self._transcoder.transcoded_from is not None:
                self.is_followed = False
                return
            if not self._transcoder.has_started:
                return
            if detect_compression(bytes(data[:_MAGIC_BYTES])) is not None:
                self.is_followed = False
                return
        self._scan(data)

    @property
    def has_faults(self) -> bool:
        """Whether a violation was found. Then :meth:`save` raises it, and :meth:`feed` looks for others before."""
        return self._scanner is not None and self._scanner.has_faults

    def save(self) -> tuple[dict[str, Any] | None, list[Mark]]:
        """Return the state, in values that JSON can hold, and the marks that are new since the last call.

        The state is None while the scan has to start again from the first byte.

        Raises:
            InvalidCsvError: all violations that were found.
        """
        if not self.is_followed:
            return _REREAD, []
        state = None if self._scanner is None else self._scanner.state()
        if state is None:
            return None, []
        if self._cutter is None:
            places = self._index.boundaries[self._saved_marks :]
        else:
            places = [chunk.end for chunk in self._cutter.bounds[self._saved_marks :]]
        self._saved_marks += len(places)
        return state.model_dump(), [(place.offset, place.rows) for place in places]

    def cuts(self) -> Cuts | None:
        """Return what was found so far for the hashes, or None if the content is not followed or has no header yet."""
        if self._scanner is None or not self._scanner.has_header:
            return None
        ends = [] if self._cutter is None else [chunk.end.offset for chunk in self._cutter.bounds]
        return Cuts(self._scanner.header.prefix, ends)

    def finish(self, *, content_fd: int, check_stopped: Callable[[], None]) -> tuple[ContentScanner, list[ChunkBounds]]:
        """End the content, and return its scanner and the bounds of its chunks (blocks).

        Args:
            content_fd: the file with the bytes that were fed.
            check_stopped: called now and then; raises if the upload is no longer wanted.

        Raises:
            InvalidCsvError: the content is not valid CSV.
            TooManyChunksError: the chunks are too small.
        """
        if self._scanner is None:
            self._scan(self._transcoder.finish())
        assert self._scanner is not None  # noqa: S101  _scan has made it
        scanned = self._scanner.finish()
        if scanned is not None:
            self._mark(scanned)
        if self._cutter is not None:
            self._cutter.finish(self._scanner.end)
            return self._scanner, join_blank_tail(self._cutter.bounds)
        return self._scanner, bounds_by_count(
            self._options.chunk_size,
            scanner=self._scanner,
            index=self._index,
            content_fd=content_fd,
            buffer=memoryview(bytearray(DEFAULT_BLOCK_BYTES)),
            check_stopped=check_stopped,
        )

    def _scan(self, data: memoryview) -> None:
        if self._scanner is None:
            self._scanner = ContentScanner(options=self._options, transcoded_from=None)
        scanned = self._scanner.feed(data)
        if scanned is not None:
            self._mark(scanned)

    def _mark(self, scanned: ScannedBlock) -> None:
        if self._cutter is None:
            self._index.feed(scanned)
        else:
            self._cutter.feed(scanned, None)

    def _resume(self, state: ContentState, marks: Sequence[Mark], read_prefix: Callable[[int], bytes]) -> None:
        prefix = read_prefix(state.header.prefix_bytes)
        self._scanner = ContentScanner.restore(state, options=self._options, transcoded_from=None, prefix=prefix)
        self.position = self._scanner.end.offset
        self._saved_marks = len(marks)
        places = [RowBoundary(*mark) for mark in marks]
        if self._cutter is None:
            self._index = RowIndex(places)
        else:
            self._cutter.restore(places, first=RowBoundary(len(prefix), 0), reached=self._scanner.end)
