"""A file as it was sent, plain or compressed, to its content, with a hash of the compressed bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from csvscan import LEAST_MEMBER_BYTES, Compression, Unpacker, UnpackingError, detect_compression
from uploader.errors import InvalidCompressionError
from uploader.ingest.pipeline.blocks import Block, Held
from uploader.ingest.pipeline.unpacked_pieces import UnpackedPieces


class SourceUnpacker:
    """Unpacks blocks of gzip or Zstandard, recognised by the first one, and passes other blocks through.

    The first block has the first four bytes of the file, if it is that long.

    Args:
        check_size: called with the sizes of the content and of the compressed file so far; raises if it is too large.
    """

    def __init__(self, *, check_size: Callable[[int, int], None] = lambda _content, _compressed: None) -> None:
        self._check_size = check_size
        self.declared: Compression | None = None
        """The compression that the client names; None if it names none."""
        self._unpacker: Unpacker | None = None
        self._has_started = False
        self._source = hashlib.sha256()
        self._pieces = UnpackedPieces()
        self._unpacked_bytes = 0

    @property
    def compression(self) -> Compression | None:
        """The compression of the file; None if it is not compressed, or no block was fed."""
        return None if self._unpacker is None else self._unpacker.compression

    @property
    def unpacked_bytes(self) -> int | None:
        """Size of the content so far, before it is transcoded; None if the file is not compressed."""
        return None if self._unpacker is None else self._unpacked_bytes

    @property
    def source_sha256(self) -> str | None:
        """SHA-256 of the compressed file; None if it is not compressed."""
        return None if self._unpacker is None else self._source.hexdigest()

    def feed(self, block: Block) -> Iterator[tuple[memoryview, Held]]:
        """Yield the content of ``block`` in pieces of 1 MiB at most, each with what keeps it unchanged while held.

        The caller releases each of them, and takes all of them before the next block; of a file that is not compressed,
        the piece is ``block``. Waits while too many pieces are held.

        Raises:
            InvalidCompressionError: the data is damaged, something else follows it, or it is not what was declared.
            StoppedError: :meth:`stop` was called.
            CsvPipeError: raised by ``check_size``.
        """
        if not self._has_started and block.size:
            self._start(block.content)
        if self._unpacker is None:
            yield block.content, block
            return
        self._source.update(block.content)
        try:
            for data in self._unpacker.feed(block.content):
                self._unpacked_bytes += len(data)
                self._check_size(self._unpacked_bytes, self._unpacker.fed_bytes)
                piece = self._pieces.admit(data)
                yield piece.content, piece
        except UnpackingError as error:
            raise _invalid(error, self._unpacker.compression) from error
        block.release()

    def finish(self) -> None:
        """Check that the file is complete.

        Raises:
            InvalidCompressionError: it is truncated, or empty although a compression was declared.
        """
        if not self._has_started:
            self._start(memoryview(b""))
        if self._unpacker is not None:
            try:
                self._unpacker.finish()
            except UnpackingError as error:
                raise _invalid(error, self._unpacker.compression) from error

    def stop(self) -> None:
        """Make the thread that unpacks stop: nobody may be left to release pieces (from any thread)."""
        self._pieces.stop()

    def _start(self, first_bytes: memoryview) -> None:
        self._has_started = True
        found = detect_compression(bytes(first_bytes[:16]))
        if self.declared is not None and found != self.declared:
            raise InvalidCompressionError(
                f"the Content-Encoding of the file is {self.declared}, but its first bytes are not those of "
                f"{self.declared}: send the compressed file, or no Content-Encoding",
                reason="not_as_declared",
                compression=self.declared,
                byte=0,
            )
        if found is not None:
            self._unpacker = Unpacker(found, least_member_bytes=LEAST_MEMBER_BYTES)


def _invalid(error: UnpackingError, compression: Compression) -> InvalidCompressionError:
    return InvalidCompressionError(str(error), reason=error.code, compression=compression, byte=error.byte)
