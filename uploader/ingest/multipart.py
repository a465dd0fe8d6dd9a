"""A multipart/form-data body, parsed as it arrives (RFC 7578), without keeping or copying a part's content.

python-multipart's push parser does the parsing; this module turns its callbacks into a list of events for each piece of
the body. Nearly all pieces are within the file: :meth:`MultipartReader.is_content` recognises them without the parser,
which would need a copy of them.

A preamble, which RFC 2046 (5.1.1) allows for mail, is refused: HTML form clients do not send one, and a body that does
not start with its boundary is most likely the bare CSV, which is better refused at its first byte than at its last.
"""

from __future__ import annotations

from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

from contracts.digests import REPR_DIGEST
from csvscan import Compression
from uploader.errors import MalformedMultipartError, UnsupportedMediaTypeError
from uploader.ingest.digest_fields import read_sha256
from uploader.ingest.filenames import parse_filename
from uploader.ingest.pipeline.blocks import Block

_CR = 0x0D
_LF_HINT = (
    "; its lines end in LF alone, but multipart requires CRLF (RFC 2046, 4.1.1): use an HTTP library or curl -F to "
    "build the body"
)
_CONTENT_ENCODINGS: dict[str, Compression | None] = {
    "": None,
    "identity": None,
    "gzip": "gzip",
    "x-gzip": "gzip",  # RFC 9110, 8.4.1.3
    "zstd": "zstd",
}
_PLAIN_TRANSFER_ENCODINGS = frozenset({b"", b"binary", b"8bit", b"7bit"})


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part starts. ``filename`` is None if the part is a plain field."""

    name: str
    filename: str | None
    compression: Compression | None = None
    """Of a file, as its Content-Encoding declares it."""
    sha256: str | None = None
    """Of a file as it is sent, as its Repr-Digest declares it."""


@dataclass(frozen=True, slots=True)
class PartData:
    """Content of the current part; the view is into the fed piece."""

    view: memoryview


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The current part is complete."""


Event = PartBegin | PartData | PartEnd


def parse_boundary(content_type: str | None) -> bytes:
    """Return the boundary in a Content-Type header.

    Raises:
        UnsupportedMediaTypeError: the body is not multipart/form-data, or no boundary is given.
    """
    media_type, options = parse_options_header(content_type or "")
    if media_type.lower() != b"multipart/form-data":
        raise UnsupportedMediaTypeError(
            f"Content-Type is {media_type.decode('latin-1') or 'missing'}; send multipart/form-data with the parts "
            "'file' and 'dataset_name' (curl -F does so)"
        )
    boundary = options.get(b"boundary", b"")
    if not boundary or len(boundary) > 70:  # RFC 2046, 5.1.1
        raise UnsupportedMediaTypeError("multipart/form-data needs a boundary of 1 to 70 characters in Content-Type")
    return boundary


class MultipartReader:
    """Turns pieces of a body into events, which do not depend on how the body was split into pieces."""

    def __init__(self, *, boundary: bytes) -> None:
        self._events: list[Event] = []
        self._headers: dict[str, bytes] = {}
        self._field = b""
        self._value = b""
        self._begun = False
        self._ended = False
        self._boundary = b"--" + boundary
        self._delimiter = b"\r\n--" + boundary
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": lambda: self._events.append(PartEnd()),
                "on_end": self._on_end,
            },
        )

    def feed(self, piece: bytes) -> list[Event]:
        """Parse ``piece`` and return its events in order.

        Raises:
            MalformedMultipartError: the body breaks the syntax of RFC 2046.
            UnsupportedMediaTypeError: a part has an encoding or type that is not supported.
            InvalidDigestError: the digest of a part is malformed.
        """
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise MalformedMultipartError(f"the multipart body is malformed: {error}{self._hint(piece)}") from error
        events, self._events = self._events, []
        return events

    def is_content(self, block: Block, start: int, end: int) -> bool:
        """Return whether the next bytes, ``start`` to ``end`` of ``block``, are all content of the current part.

        If so, they need not be fed. A delimiter starts with a CR and contains no other (RFC 2046, 5.1.1), so only the
        bytes from the last CR can be the beginning of one.
        """
        # index > 0: the previous piece ended in a possible start of a delimiter, which the parser holds back.
        if self._parser.state != MultipartState.PART_DATA or self._parser.index:
            return False
        if block.data.find(_CR, start, end) < 0:
            return True
        if block.contains(self._delimiter, start, end):
            return False
        last = block.data.rfind(_CR, max(start, end - len(self._delimiter)), end)
        return last < 0 or not self._delimiter.startswith(block.data[last:end])

    def finish(self) -> None:
        """Check that the closing boundary was received.

        Raises:
            MalformedMultipartError: the body ends in the middle.
        """
        if not self._ended:
            if b"\n" in self._value:
                raise MalformedMultipartError(
                    f"the multipart body is malformed: the headers of a part do not end{_LF_HINT}"
                )
            raise MalformedMultipartError(
                "the body ends before the closing multipart boundary, which must follow a CRLF: it was truncated, or "
                "uses LF alone"
            )

    def _hint(self, piece: bytes) -> str:
        if self._boundary + b"\n" in piece:
            return _LF_HINT
        if self._begun:
            return ""
        return "; it must start with the boundary that Content-Type names, without a preamble (curl -F does so)"

    def _on_part_begin(self) -> None:
        self._begun = True
        self._headers.clear()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._field.decode("latin-1").lower()] = self._value
        self._field = self._value = b""

    def _on_headers_finished(self) -> None:
        disposition, options = parse_options_header(self._headers.get("content-disposition", b""))
        name = options.get(b"name")
        if disposition.lower() != b"form-data" or name is None:
            raise MalformedMultipartError("a part has no 'Content-Disposition: form-data; name=\"...\"' header")
        encoding = self._headers.get("content-transfer-encoding", b"").strip().lower()
        if encoding not in _PLAIN_TRANSFER_ENCODINGS:
            raise UnsupportedMediaTypeError(
                f"part {_text(name)!r} has Content-Transfer-Encoding {_text(encoding)!r}; send it unencoded (binary)"
            )
        self._check_type(_text(name))
        filename = parse_filename(self._headers["content-disposition"])
        compression = self._compression(_text(name), filename)
        self._events.append(PartBegin(_text(name), filename, compression, self._declared_sha256()))

    def _declared_sha256(self) -> str | None:
        value = self._headers.get("repr-digest")
        return read_sha256(REPR_DIGEST, None if value is None else value.decode("latin-1"))

    def _compression(self, name: str, filename: str | None) -> Compression | None:
        """Return the declared compression of a file.

        Raises:
            UnsupportedMediaTypeError: it is not supported, or the part is a field.
        """
        encoding = _text(self._headers.get("content-encoding", b"identity").strip().lower())
        compression = _CONTENT_ENCODINGS.get(encoding)
        if encoding not in _CONTENT_ENCODINGS or (compression is not None and filename is None):
            raise UnsupportedMediaTypeError(
                f"part {name!r} has Content-Encoding {encoding!r}; only the file may have one: gzip or zstd"
            )
        return compression

    def _check_type(self, name: str) -> None:
        """Refuse a part that contains parts: their headers would be read as rows.

        Raises:
            UnsupportedMediaTypeError: it does.
        """
        media_type = self._headers.get("content-type", b"").strip().lower()
        if media_type.startswith((b"multipart/", b"message/")):
            raise UnsupportedMediaTypeError(
                f"part {name!r} is {_text(media_type.partition(b';')[0])}: several files in one part (RFC 2388's "
                "multipart/mixed, curl -F 'file=@a,b') are not supported; send one file per upload"
            )

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(PartData(memoryview(data)[start:end]))

    def _on_end(self) -> None:
        self._ended = True


def _text(value: bytes) -> str:
    return value.decode("utf-8", errors="replace")
