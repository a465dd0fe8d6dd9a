"""Which bytes separate fields and which quote them."""

from __future__ import annotations

from dataclasses import dataclass

DELIMITERS = b",;\t|"
"""What is tried when no delimiter is given (:mod:`csvscan.sniff`)."""

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Dialect:
    """A delimiter and a quote, one ASCII byte each.

    Quotes within a quoted field are doubled; LF, CRLF and CR end lines.

    Attributes:
        multibyte: the encoding, where it is one in which the delimiter may also be the second byte of a character
            (:mod:`csvscan.multibyte`), so that not every such byte is a delimiter.

    Raises:
        ValueError: for anything but two different single ASCII bytes that are neither NUL, LF nor CR.
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
