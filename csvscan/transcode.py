"""UTF-16 with a BOM, and multi-byte encodings, to UTF-8, as they stream in."""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import Callable

from csvscan.errors import invalid_encoding

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
BOM_PROBE_BYTES = 4
"""That many first bytes tell which BOM there is."""


def detect_bom(start: bytes) -> tuple[str, int] | None:
    """Return the encoding that the BOM at the start of a content tells, and the BOM's length.

    The encoding is ``utf-8``, ``utf-16-le`` or ``utf-16-be``; None: there is no BOM, or that of UTF-32, which
    :class:`csvscan.header.HeaderFinder` refuses by its name.
    """
    if start.startswith(codecs.BOM_UTF32_LE):
        return None
    return next(((name, len(bom)) for bom, name in _BOMS if start.startswith(bom)), None)


class _Transcoder(ABC):
    """Turns text into UTF-8 block by block.

    What is valid before an invalid sequence is returned first, and the error comes with the next call, so that faults
    before it are found before it.
    """

    def __init__(self, encoding: str, *, current_row: Callable[[], int]) -> None:
        self._encoding = encoding
        self._current_row = current_row
        self._fault_byte: int | None = None

    def feed(self, block: bytes | bytearray | memoryview) -> bytes:
        """Return the UTF-8 of what is complete with this block.

        Raises:
            CsvFormatError: ``invalid_encoding``, for a sequence in what was fed before; its byte is one of the source.
        """
        return self._convert(bytes(block), final=False)

    def finish(self) -> bytes:
        """End the content and return what is left, which is nothing.

        Raises:
            CsvFormatError: ``invalid_encoding``, also where the content ends within a character.
        """
        text = self._convert(b"", final=True)
        self._raise_fault()
        return text

    @abstractmethod
    def _convert_valid(self, data: bytes, *, final: bool) -> bytes:
        """Return the UTF-8 of what is valid and complete; set ``_fault_byte`` to where an invalid sequence begins."""

    def _convert(self, data: bytes, *, final: bool) -> bytes:
        self._raise_fault()
        return self._convert_valid(data, final=final)

    def _raise_fault(self) -> None:
        if self._fault_byte is not None:
            raise invalid_encoding(self._current_row(), self._fault_byte, self._encoding)


class MultibyteTranscoder(_Transcoder):
    """Turns text in a declared multi-byte encoding (:mod:`csvscan.multibyte`) into UTF-8, block by block.

    What is valid before an invalid sequence is returned first, and the error comes with the next call, so that faults
    which lie before it are found before it.
    """

    def __init__(self, encoding: str) -> None:
        super().__init__(encoding, current_row=lambda: 0)
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


class Utf16Transcoder(_Transcoder):
    """Turns UTF-16 with a BOM into UTF-8 without one, block by block.

    Encoding the result again, with the BOM in front, gives the source: a second U+FEFF is text and stays. What is valid
    before an invalid sequence is returned first, and the error comes with the next call, so that faults which lie
    before it are found before it.

    Args:
        encoding: ``utf-16-le`` or ``utf-16-be``, as :func:`detect_bom` tells.
        current_row: asked for the row that an error names, once all text returned so far was scanned.
    """

    def __init__(self, encoding: str, *, current_row: Callable[[], int] = lambda: 0) -> None:
        if encoding not in ("utf-16-le", "utf-16-be"):
            raise ValueError(f"no byte order in {encoding!r}")
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
