"""Are the bytes valid in the encoding that was declared, or what might they be where none was?"""

from __future__ import annotations

import codecs

import numpy as np

from csvscan.bits import Block

UTF_8 = "utf-8"
UNKNOWN_8BIT = "unknown-8bit"
"""RFC 1428's name for text of which only the ASCII part is known."""


class UnsupportedEncodingError(ValueError):
    """An encoding that is unknown, or in which the bytes of delimiters and line ends may mean something else."""


def check_encoding(name: str) -> str:
    """Return the canonical name of an encoding that the scanner can check: UTF-8 or a single-byte superset of ASCII.

    Raises:
        UnsupportedEncodingError: for every other encoding.
    """
    try:
        canonical = codecs.lookup(name).name
    except LookupError as error:
        raise UnsupportedEncodingError(f"unknown encoding {name!r}") from error
    if canonical in ("utf-8", "utf-8-sig"):
        return UTF_8
    _undefined_bytes(canonical)
    return canonical


class EncodingCheck:
    """Checks block after block; ``declared`` None means: look what it is, and accept everything."""

    def __init__(self, declared: str | None) -> None:
        self._declared = None if declared is None else check_encoding(declared)
        self._utf8_so_far = self._declared in (None, UTF_8)
        self._pending = b""
        self._undefined = None if self._utf8_so_far else _undefined_bytes(str(self._declared))

    @property
    def detected(self) -> str:
        """The declared encoding; else ``utf-8`` while everything was valid UTF-8, and ``unknown-8bit`` otherwise."""
        if self._declared is not None:
            return self._declared
        return UTF_8 if self._utf8_so_far else UNKNOWN_8BIT

    def feed(self, block: Block) -> int | None:
        """Return the offset in the block of the first invalid byte; below 0 for a sequence begun in the block before."""
        if self._undefined is not None:
            return self._first_undefined(block)
        if not self._utf8_so_far or (not self._pending and block.max(initial=0) < 0x80):
            return None
        return self._decode(block.tobytes(), final=False)

    def finish(self) -> int | None:
        """Return the offset, below 0, of a sequence that the end of the content cuts off."""
        if not self._pending:
            return None
        return self._decode(b"", final=True)

    def _decode(self, data: bytes, *, final: bool) -> int | None:
        held = len(self._pending)
        joined = self._pending + data if held else data
        try:
            consumed = codecs.utf_8_decode(joined, "strict", final)[1]
        except UnicodeDecodeError as error:
            self._pending = b""
            if self._declared is not None:
                return error.start - held
            self._utf8_so_far = False
            return None
        self._pending = joined[consumed:]
        return None

    def _first_undefined(self, block: Block) -> int | None:
        assert self._undefined is not None
        if not self._undefined.any() or block.max(initial=0) < 0x80:
            return None
        wrong = self._undefined[block]
        place = int(wrong.argmax())
        return place if wrong[place] else None


def _undefined_bytes(encoding: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    undefined = np.zeros(256, dtype=np.bool_)
    for value in range(256):
        try:
            character = bytes([value]).decode(encoding)
        except UnicodeDecodeError:
            character = ""
        except LookupError as error:
            raise UnsupportedEncodingError(f"{encoding} is no encoding of text") from error
        undefined[value] = not character
        if value < 0x80 and character != chr(value):
            raise UnsupportedEncodingError(f"{encoding} is no superset of ASCII, so line ends cannot be told in it")
    if _holds_sequences(encoding):
        raise UnsupportedEncodingError(f"{encoding} is neither UTF-8 nor a single-byte encoding")
    return undefined


def _holds_sequences(encoding: str) -> bool:
    """Whether some character takes two bytes: then some byte is refused alone and accepted in company."""
    decoder = codecs.getincrementaldecoder(encoding)
    for value in range(0x80, 0x100):
        try:
            if not decoder().decode(bytes([value])):
                return True
        except UnicodeDecodeError:
            continue
    return False
