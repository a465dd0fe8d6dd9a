"""Transcodes UTF-16 and multi-byte encodings to UTF-8 as the content streams in."""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import Callable

from csvscan.bom import BOM_PROBE_BYTES, detect_bom
from csvscan.errors import CsvFormatError, invalid_encoding
from csvscan.multibyte import MULTIBYTE_ENCODINGS

UTF_16 = ("utf-16", "utf-16-le", "utf-16-be")
"""Names under which UTF-16 can be declared. It is read only with a byte order mark."""


def _row_zero() -> int:
    return 0


class Transcoder:
    """Turns UTF-16 with a byte order mark and declared multi-byte encodings into UTF-8, and passes other bytes through.

    The first bytes are held back until they show which byte order mark there is, if any. An invalid sequence is
    reported by the call after the one that returns the valid text before it, so that violations in that text are found
    first.

    Args:
        declared: encoding that was declared, by its name in Python; None if none was, or if it is to be read as it is.
        current_row: returns the row that an error names; called after all text returned so far was scanned.
    """

    def __init__(self, *, declared: str | None = None, current_row: Callable[[], int] = _row_zero) -> None:
        self._declared = declared
        self._current_row = current_row
        self._held_back: bytes | None = b""
        self._codec: _StreamTranscoder | None = None
        self.transcoded_from: str | None = None
        """Encoding of the source if it is transcoded: ``utf-16-le``, ``utf-16-be`` or a multi-byte encoding."""

    @property
    def has_started(self) -> bool:
        """Whether enough bytes have come to know ``transcoded_from``."""
        return self._held_back is None

    def feed(self, block: bytes | memoryview) -> memoryview:
        """Return the content that is complete with this block; a view of ``block`` if it is not transcoded.

        Raises:
            CsvFormatError: ``invalid_encoding``: for a sequence fed before, or because the byte order mark contradicts
                the declared encoding.
        """
        data = memoryview(block)
        if self._held_back is not None:
            if self._held_back:
                data = memoryview(self._held_back + bytes(data))
            if len(data) < BOM_PROBE_BYTES:
                self._held_back = bytes(data)
                return data[:0]
            self._start(bytes(data[:BOM_PROBE_BYTES]))
        return data if self._codec is None or not data else memoryview(self._codec.feed(data))

    def finish(self) -> memoryview:
        """End the content, and return what was held back.

        Raises:
            CsvFormatError: as :meth:`feed` does, or because the content ends within a character.
        """
        rest = self._held_back or b""
        if self._held_back is not None:
            self._start(rest)
        return memoryview(rest if self._codec is None else self._codec.feed(rest) + self._codec.finish())

    def check(self) -> None:
        """Raise the error that :meth:`feed` or :meth:`finish` has raised, now with the row that is current.

        Raises:
            CsvFormatError: ``invalid_encoding``.
        """
        if self._codec is not None:
            self._codec.check()

    def _start(self, first_bytes: bytes) -> None:
        self._held_back = None
        bom = detect_bom(first_bytes)
        utf16 = bom[0] if bom is not None and bom[0] in UTF_16 else None
        if utf16 is not None or self._declared in UTF_16:
            check_declared(self._declared, utf16)
        if utf16 is not None:
            self.transcoded_from = utf16
            self._codec = Utf16Transcoder(utf16, current_row=self._current_row)
        elif self._declared in MULTIBYTE_ENCODINGS:
            self.transcoded_from = self._declared
            self._codec = MultibyteTranscoder(self._declared, current_row=self._current_row)


def check_declared(declared: str | None, utf16: str | None) -> None:
    """Check that the declared encoding agrees with the byte order mark.

    Args:
        declared: encoding that was declared, by its name in Python, or None.
        utf16: ``utf-16-le`` or ``utf-16-be`` according to the mark; None if there is no mark of UTF-16.

    Raises:
        CsvFormatError: ``invalid_encoding``: it does not.
    """
    if declared is None or declared == utf16 or (declared == "utf-16" and utf16 is not None):
        return
    found = "no byte order mark of UTF-16" if utf16 is None else f"the byte order mark of {utf16}"
    raise CsvFormatError("invalid_encoding", row=0, byte=0, expected=f"text in {declared}", found=found)


class _StreamTranscoder(ABC):
    """Transcodes text to UTF-8, block by block."""

    def __init__(self, encoding: str, *, current_row: Callable[[], int]) -> None:
        self._encoding = encoding
        self._current_row = current_row
        self._fault_byte: int | None = None

    def feed(self, block: bytes | bytearray | memoryview) -> bytes:
        """Return the UTF-8 of the characters that are complete with this block.

        Raises:
            CsvFormatError: ``invalid_encoding``, for a sequence fed before; its byte is an offset in the source.
        """
        return self._convert(bytes(block), final=False)

    def finish(self) -> bytes:
        """End the content, and return the rest, which is always empty.

        Raises:
            CsvFormatError: ``invalid_encoding``, also if the content ends within a character.
        """
        text = self._convert(b"", final=True)
        self.check()
        return text

    def check(self) -> None:
        """Raise the error of the invalid sequence that was found, if any.

        Raises:
            CsvFormatError: ``invalid_encoding``.
        """
        if self._fault_byte is not None:
            raise invalid_encoding(self._current_row(), self._fault_byte, self._encoding)

    @abstractmethod
    def _convert_valid(self, data: bytes, *, final: bool) -> bytes:
        """Return the UTF-8 of the valid, complete characters; set ``_fault_byte`` if an invalid sequence follows."""

    def _convert(self, data: bytes, *, final: bool) -> bytes:
        self.check()
        return self._convert_valid(data, final=final)


class MultibyteTranscoder(_StreamTranscoder):
    """Transcodes one of :data:`csvscan.multibyte.MULTIBYTE_ENCODINGS`."""

    def __init__(self, encoding: str, *, current_row: Callable[[], int] = _row_zero) -> None:
        super().__init__(encoding, current_row=current_row)
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._fed_bytes = 0

    def _convert_valid(self, data: bytes, *, final: bool) -> bytes:
        held = self._decoder.getstate()[0]
        before, self._fed_bytes = self._fed_bytes - len(held), self._fed_bytes + len(data)
        try:
            return self._decoder.decode(data, final).encode("utf-8")
        except UnicodeDecodeError as error:
            self._fault_byte = before + error.start
            return (held + data)[: error.start].decode(self._encoding).encode("utf-8")


class Utf16Transcoder(_StreamTranscoder):
    """Transcodes UTF-16 with a byte order mark into UTF-8 without one.

    Encoding the result again, with the mark in front, gives the source: a second U+FEFF is text and is kept.

    Args:
        encoding: ``utf-16-le`` or ``utf-16-be``, as :func:`csvscan.bom.detect_bom` returns it.
        current_row: returns the row that an error names.
    """

    def __init__(self, encoding: str, *, current_row: Callable[[], int] = _row_zero) -> None:
        if encoding not in ("utf-16-le", "utf-16-be"):
            raise ValueError(f"encoding must be utf-16-le or utf-16-be, got {encoding!r}")
        super().__init__(encoding, current_row=current_row)
        self._decode = codecs.utf_16_le_decode if encoding == "utf-16-le" else codecs.utf_16_be_decode
        self._pending = b""
        self._pending_byte = 0
        self._bom_ahead = True

    def _convert_valid(self, data: bytes, *, final: bool) -> bytes:
        source = self._pending + data
        try:
            text, consumed = self._decode(source, "strict", final)
        except UnicodeDecodeError as error:
            text, consumed = self._decode(source[: error.start], "strict", True)
            self._fault_byte = self._pending_byte + error.start
        self._pending = source[consumed:]
        self._pending_byte += consumed
        if self._bom_ahead and text:
            self._bom_ahead = False
            text = text.removeprefix("\ufeff")
        return text.encode("utf-8")
