"""The delimiter and the quote of a CSV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from csvscan.multibyte import needs_trail_mask

DELIMITERS = b",;\t|"
"""The delimiters that are tried if none is given (:mod:`csvscan.delimiter_detection`)."""


@dataclass(frozen=True)
class Dialect:
    """A delimiter and a quote, one ASCII byte each.

    Quotes within a quoted field are doubled; LF, CRLF and CR end lines.

    Attributes:
        multibyte: the encoding, if it is one in which the delimiter may also be the second byte of a character
            (:mod:`csvscan.multibyte`), so that not every such byte is a delimiter; else None.

    Raises:
        ValueError: unless both are single ASCII bytes other than NUL, LF and CR, and differ.
    """

    delimiter: bytes = b","
    quote: bytes = b'"'
    multibyte: str | None = None

    def __post_init__(self) -> None:
        for name, value in (("delimiter", self.delimiter), ("quote", self.quote)):
            if len(value) != 1 or not 0 < value[0] < 0x80 or value in b"\r\n":
                raise ValueError(f"{name} must be one ASCII byte other than NUL, LF and CR, not {value!r}")
        if self.delimiter == self.quote:
            raise ValueError(f"delimiter and quote must differ, both are {self.quote!r}")

    @classmethod
    def for_encoding(cls, delimiter: bytes, encoding: str | None) -> Self:
        """Return the dialect with this delimiter in content in ``encoding``."""
        return cls(delimiter, multibyte=encoding if needs_trail_mask(encoding, delimiter) else None)
