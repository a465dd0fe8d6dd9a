"""Are the bytes valid in the encoding that was declared, or what might they be where none was?"""

from __future__ import annotations

import codecs
import importlib
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from csvscan.bits import Block, MaskMaker
from csvscan.multibyte import MULTIBYTE_ENCODINGS, MultibyteCheck
from csvscan.utf8 import cut_off_bytes, is_utf8

UTF_8 = "utf-8"
UNKNOWN_8BIT = "unknown-8bit"
"""RFC 1428's name for text of which only the ASCII part is known."""
_WIDE = (
    "{} cannot be declared: UTF-16 is found by its byte order mark (FF FE or FE FF) and needs no declaration; save "
    "anything else as UTF-8"
)
_SUPPORTED = f"utf-8, any single-byte encoding (latin-1, windows-1252 ...), and {', '.join(MULTIBYTE_ENCODINGS)}"
_UNDEFINED = "\ufffe"
"""How Python's tables mark a byte that means nothing."""


class UnsupportedEncodingError(ValueError):
    """An encoding that is unknown, or in which the bytes of delimiters and line ends may mean something else."""


class EncodingCheck(Protocol):
    """Looks at block after block."""

    @property
    def encoding(self) -> str:
        """The declared encoding; else ``utf-8`` while everything was valid UTF-8, and ``unknown-8bit`` otherwise."""

    def feed(self, block: Block) -> int | None:
        """Return where in the block the first invalid sequence starts; below 0: in the block before."""

    def finish(self) -> int | None:
        """Return the place, below 0, of a sequence that the end of the content cuts off."""


def check_encoding(name: str) -> str:
    """Return Python's name of an encoding that the scanner can check.

    These are UTF-8, every single-byte superset of ASCII, and :data:`csvscan.multibyte.MULTIBYTE_ENCODINGS`.

    Raises:
        UnsupportedEncodingError: for every other encoding.
    """
    return encoding_check(name).encoding


def encoding_check(declared: str | None) -> EncodingCheck:
    """Return the check for an encoding; for None one that accepts every byte, and tells UTF-8 from the rest.

    Raises:
        UnsupportedEncodingError: as :func:`check_encoding`.
    """
    if declared is None:
        return Utf8Check(required=False)
    try:
        name = codecs.lookup(declared).name
    except (LookupError, ValueError) as error:
        raise UnsupportedEncodingError(f"unknown encoding {declared!r}; known are {_SUPPORTED}") from error
    if name in ("utf-8", "utf-8-sig"):
        return Utf8Check(required=True)
    if name in MULTIBYTE_ENCODINGS:
        return MultibyteCheck(name)
    if name.startswith(("utf-16", "utf-32")):
        raise UnsupportedEncodingError(_WIDE.format(name))
    return SingleByteCheck(name)


class Utf8Check:
    """UTF-8, where a sequence may lie across blocks."""

    def __init__(self, *, required: bool) -> None:
        self._required = required
        self._valid = True
        self._pending = b""
        self._masks = MaskMaker()

    @property
    def encoding(self) -> str:
        """``utf-8``, or ``unknown-8bit`` where it is not and need not be."""
        return UTF_8 if self._valid else UNKNOWN_8BIT

    def feed(self, block: Block) -> int | None:
        """Return where the first invalid sequence starts, if UTF-8 is required."""
        if not self._valid or (not self._pending and block.is_ascii):
            return None
        held = len(self._pending)
        if held:
            block = Block(self._pending + block.data.tobytes())
        cut_off = cut_off_bytes(block.data[-3:].tobytes())
        whole = Block(block.data[: block.size - cut_off].data) if cut_off else block
        self._pending = block.data[block.size - cut_off :].tobytes()
        return None if is_utf8(whole, self._masks) else self._decode(whole.data.tobytes(), held)

    def finish(self) -> int | None:
        """Return where a sequence starts that the end of the content cuts off, if UTF-8 is required."""
        return self._decode(self._pending, len(self._pending)) if self._pending else None

    def _decode(self, data: bytes, held: int) -> int | None:
        """Find the place that the masks do not tell; ``held`` bytes of ``data`` came with the block before."""
        try:
            codecs.utf_8_decode(data, "strict", True)
        except UnicodeDecodeError as error:
            self._valid, self._pending = self._required, b""
            return error.start - held if self._required else None
        return None


class SingleByteCheck:
    """An encoding with one byte a character, like Windows-1252, in which some bytes may mean nothing.

    Raises:
        UnsupportedEncodingError: for one with more bytes a character, or in which ASCII is not ASCII.
    """

    def __init__(self, encoding: str) -> None:
        table = _decoding_table(encoding)
        if table[:0x80] != bytes(range(0x80)).decode("ascii"):
            raise UnsupportedEncodingError(f"{encoding} is no superset of ASCII, so line ends cannot be told in it")
        self._encoding = encoding
        self._undefined: NDArray[np.bool_] = np.array([character == _UNDEFINED for character in table])
        self._complete = not self._undefined.any()

    @property
    def encoding(self) -> str:
        """The encoding, by its name in Python."""
        return self._encoding

    def feed(self, block: Block) -> int | None:
        """Return the place of the first byte that means nothing."""
        if self._complete or block.is_ascii:
            return None
        wrong = self._undefined[block.data]
        place = int(wrong.argmax())
        return place if wrong[place] else None

    def finish(self) -> None:
        """Return None: nothing can be cut off."""
        return


def _decoding_table(encoding: str) -> str:
    if encoding == "ascii":
        return bytes(range(0x80)).decode("ascii") + _UNDEFINED * 0x80
    try:
        module = importlib.import_module(f"encodings.{encoding.replace('-', '_')}")
    except ImportError:
        module = None
    table = getattr(module, "decoding_table", None)
    if not isinstance(table, str):
        raise UnsupportedEncodingError(f"{encoding} is not supported; supported are {_SUPPORTED}")
    return table.ljust(0x100, _UNDEFINED)
