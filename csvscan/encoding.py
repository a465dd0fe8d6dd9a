"""Checks bytes against the declared encoding, or detects whether they are UTF-8 if none was declared."""

from __future__ import annotations

import codecs
import importlib
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from csvscan.bits import Block, MaskMaker
from csvscan.multibyte import MULTIBYTE_ENCODINGS, MultibyteCheck
from csvscan.scanner_state import EncodingState
from csvscan.utf8 import cut_off_bytes, is_utf8

UTF_8 = "utf-8"
UNKNOWN_8BIT = "unknown-8bit"
"""Name in RFC 1428 of text of which only the ASCII part is known."""
_WIDE = (
    "{} cannot be declared: UTF-16 is detected by its byte order mark (FF FE or FE FF) and needs no declaration; save "
    "anything else as UTF-8"
)
_SUPPORTED = f"utf-8, any single-byte encoding (latin-1, windows-1252 ...), and {', '.join(MULTIBYTE_ENCODINGS)}"
_UNDEFINED = "\ufffe"
"""Mark of an undefined byte in Python's decoding tables."""
_FIRST_ESCAPE, _LAST_ESCAPE = 0xDC80, 0xDCFF
"""Characters that ``surrogateescape`` puts in place of invalid bytes; valid UTF-8 has no surrogates."""


class UnsupportedEncodingError(ValueError):
    """An encoding is unknown, or the bytes of delimiters and line ends may be part of other characters in it."""


class EncodingCheck(Protocol):
    """Checks one block after the other."""

    @property
    def encoding(self) -> str:
        """The declared encoding; if none, ``utf-8`` as long as all bytes are valid UTF-8, else ``unknown-8bit``."""

    def feed(self, block: Block) -> int | None:
        """Return the offset of the first invalid sequence, or None; it is negative if it starts in the block before."""

    def finish(self) -> int | None:
        """Return the offset, which is negative, of a sequence that the end of the content cuts off, or None."""

    def find_all(self, block: Block, start: int, row_ends: NDArray[np.int64]) -> NDArray[np.int64]:
        """Check the block anew from ``start``, where a row begins; return the offsets of invalid bytes.

        They include the start of the first invalid sequence in each row.
        """

    def state(self) -> EncodingState:
        """Return the state, which :meth:`restore` accepts."""

    def restore(self, state: EncodingState) -> None:
        """Continue from ``state``, of a check for the same encoding."""


def check_encoding(name: str) -> str:
    """Return the name in Python of an encoding that the scanner can check.

    These are UTF-8, every single-byte superset of ASCII, and :data:`csvscan.multibyte.MULTIBYTE_ENCODINGS`.

    Raises:
        UnsupportedEncodingError: it is another encoding.
    """
    return encoding_check(name).encoding


def encoding_check(declared: str | None) -> EncodingCheck:
    """Return the check for an encoding; for None one that accepts every byte and detects UTF-8.

    Raises:
        UnsupportedEncodingError: as :func:`check_encoding` does.
    """
    if declared is None:
        return Utf8Check(required=False)
    try:
        name = codecs.lookup(declared).name
    except (LookupError, ValueError) as error:
        raise UnsupportedEncodingError(f"unknown encoding {declared!r}; use {_SUPPORTED}") from error
    if name in ("utf-8", "utf-8-sig"):
        return Utf8Check(required=True)
    if name in MULTIBYTE_ENCODINGS:
        return MultibyteCheck(name)
    if name.startswith(("utf-16", "utf-32")):
        raise UnsupportedEncodingError(_WIDE.format(name))
    return SingleByteCheck(name)


class Utf8Check:
    """Check for UTF-8; a sequence may be split between blocks."""

    def __init__(self, *, required: bool) -> None:
        self._required = required
        self._valid = True
        self._pending = b""
        self._masks = MaskMaker()

    @property
    def encoding(self) -> str:
        """``utf-8``, or ``unknown-8bit`` if the bytes are not and need not be."""
        return UTF_8 if self._valid else UNKNOWN_8BIT

    def feed(self, block: Block) -> int | None:
        """Return the offset of the first invalid sequence if UTF-8 is required, else None."""
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
        """Return the offset of a sequence that the end of the content cuts off if UTF-8 is required, else None."""
        return self._decode(self._pending, len(self._pending)) if self._pending else None

    def find_all(self, block: Block, start: int, row_ends: NDArray[np.int64]) -> NDArray[np.int64]:  # noqa: ARG002
        """Find all invalid bytes (see :class:`EncodingCheck`), by their escapes in the decoded text."""
        data = block.data[start:].tobytes()
        cut_off = cut_off_bytes(data[-3:])
        self._pending = data[len(data) - cut_off :]
        text = data[: len(data) - cut_off].decode("utf-8", "surrogateescape")
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        escaped = (points >= _FIRST_ESCAPE) & (points <= _LAST_ESCAPE)
        sizes = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
        sizes[escaped] = 1
        return start + (np.cumsum(sizes) - sizes)[escaped]

    def state(self) -> EncodingState:
        """Return the state, which :meth:`restore` accepts."""
        return EncodingState(is_valid=self._valid, pending=self._pending.hex())

    def restore(self, state: EncodingState) -> None:
        """Continue from ``state``."""
        self._valid, self._pending = state.is_valid, bytes.fromhex(state.pending)

    def _decode(self, data: bytes, held: int) -> int | None:
        """Locate the invalid sequence, if any; ``held`` bytes of ``data`` came with the block before."""
        try:
            codecs.utf_8_decode(data, "strict", True)
        except UnicodeDecodeError as error:
            self._valid, self._pending = self._required, b""
            return error.start - held if self._required else None
        return None


class SingleByteCheck:
    """Check for an encoding with one byte per character, such as Windows-1252, in which some bytes may be undefined.

    Raises:
        UnsupportedEncodingError: the encoding has more bytes per character, or is not a superset of ASCII.
    """

    def __init__(self, encoding: str) -> None:
        table = _decoding_table(encoding)
        if table[:0x80] != bytes(range(0x80)).decode("ascii"):
            raise UnsupportedEncodingError(
                f"{encoding} is not a superset of ASCII, so line ends cannot be found in it; save the file as UTF-8"
            )
        self._encoding = encoding
        self._undefined: NDArray[np.bool_] = np.array([character == _UNDEFINED for character in table])
        self._complete = not self._undefined.any()

    @property
    def encoding(self) -> str:
        """Name of the encoding in Python."""
        return self._encoding

    def feed(self, block: Block) -> int | None:
        """Return the offset of the first undefined byte, or None."""
        if self._complete or block.is_ascii:
            return None
        wrong = self._undefined[block.data]
        first = int(wrong.argmax())
        return first if wrong[first] else None

    def finish(self) -> None:
        """Return None: no character can be cut off."""
        return

    def find_all(self, block: Block, start: int, row_ends: NDArray[np.int64]) -> NDArray[np.int64]:  # noqa: ARG002
        """Find all undefined bytes (see :class:`EncodingCheck`)."""
        return start + np.flatnonzero(self._undefined[block.data[start:]])

    def state(self) -> EncodingState:
        """Return the state, which is always the same."""
        return EncodingState()

    def restore(self, state: EncodingState) -> None:
        """Do nothing."""


def _decoding_table(encoding: str) -> str:
    if encoding == "ascii":
        return bytes(range(0x80)).decode("ascii") + _UNDEFINED * 0x80
    try:
        module = importlib.import_module(f"encodings.{encoding.replace('-', '_')}")
    except ImportError:
        module = None
    table = getattr(module, "decoding_table", None)
    if not isinstance(table, str):
        raise UnsupportedEncodingError(f"{encoding} is not supported; use {_SUPPORTED}")
    return table.ljust(0x100, _UNDEFINED)
