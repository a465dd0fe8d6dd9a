"""Spellings of a delimiter, the same in settings, form fields and options."""

from __future__ import annotations

import re

from csvscan.dialect import Dialect

SPELLINGS = (
    "one ASCII character (, ; | ^ ~ ...), a name (comma, semicolon, tab, pipe, space, colon, caret, tilde) "
    r"or an escape (\t, \x01, \u0001, \001, ^A)"
)
_NAMES = {
    "comma": b",",
    "semicolon": b";",
    "tab": b"\t",
    "pipe": b"|",
    "space": b" ",
    "colon": b":",
    "caret": b"^",
    "tilde": b"~",
    r"\t": b"\t",
    r"\v": b"\v",
    r"\f": b"\f",
    r"\b": b"\b",
    r"\e": b"\x1b",
}
_HEX = re.compile(r"(?:\\x|\\u00|0x)([0-9a-f]{2})", re.IGNORECASE)
_OCTAL = re.compile(r"\\([0-3][0-7]{2})")
_CARET = re.compile(r"\^([A-Z\[\\\]^_a-z])")


class DelimiterError(ValueError):
    """A text does not stand for a delimiter; the message lists what does."""


def parse_delimiter(text: str) -> bytes | None:
    r"""Return the byte that ``text`` stands for, or None for ``""`` and ``auto``, which ask for detection.

    A single character stands for itself. A longer text is a name, or an escape as in Python (``\x01``, ``\u0001``),
    Hive (``\001``) or a terminal (``^A``).

    Raises:
        DelimiterError: it is not one ASCII character, or a character that cannot separate fields.
    """
    if text.lower() in ("", "auto"):
        return None
    delimiter = _byte_of(text)
    if delimiter is None:
        raise DelimiterError(f"delimiter is {text[:40]!r}, which is {_what(text)}; it must be {SPELLINGS}, or auto")
    try:
        Dialect(delimiter)
    except ValueError as error:
        raise DelimiterError(f"delimiter is {text[:40]!r}: {error}; it must be {SPELLINGS}, or auto") from error
    return delimiter


def _byte_of(text: str) -> bytes | None:
    if len(text) == 1:
        return text.encode() if text.isascii() else None
    if (named := _NAMES.get(text.lower())) is not None:
        return named
    if match := _HEX.fullmatch(text):
        return bytes([int(match[1], 16)])
    if match := _OCTAL.fullmatch(text):
        return bytes([int(match[1], 8)])
    if match := _CARET.fullmatch(text):
        return bytes([ord(match[1].upper()) & 0x1F])
    return None


def _what(text: str) -> str:
    if len(text) == 1:
        return "not ASCII"
    return f"{len(text)} characters: a delimiter of several characters is not supported"
