"""A streamed ``multipart/form-data`` body of known length (RFC 7578)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from contracts.errors import SourceChangedError

BLOCK_BYTES = 1024 * 1024


class Readable(Protocol):
    """A source of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""


class FormUpload:
    """The fields and one file as the body of a request.

    The fields go first, so that the uploader can cut the file while it comes in. ``sha256`` is of the file's bytes
    as they were sent; it is complete once the body has been.
    """

    def __init__(
        self,
        *,
        file: Readable,
        filename: str,
        size_bytes: int | None,
        fields: Mapping[str, str],
        on_sent: Callable[[int], None] = lambda _: None,
        check_stop: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare the body.

        Args:
            file: where the bytes come from, read in order and once.
            filename: name of the file in the manifest.
            size_bytes: how many bytes ``file`` holds; None where that is not known (a pipe).
            fields: the form's other fields.
            on_sent: called with the number of file bytes after each block.
            check_stop: called before each block; raises to stop.
        """
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._head = b"".join(_field(boundary, name, value) for name, value in fields.items())
        self._head += _file_head(boundary, filename)
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._file = file
        self._size_bytes = size_bytes
        self._on_sent = on_sent
        self._check_stop = check_stop
        self._hash = hashlib.sha256()

    @property
    def content_length(self) -> int | None:
        """Length of the whole body; None where the file's is not known."""
        return None if self._size_bytes is None else len(self._head) + self._size_bytes + len(self._tail)

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's bytes sent so far, as hex digits."""
        return self._hash.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        """Give the body block by block.

        Raises:
            SourceChangedError: the file is shorter or longer than it was said to be.
        """
        yield self._head
        sent_bytes = 0
        while block := self._file.read(BLOCK_BYTES):
            self._check_stop()
            sent_bytes += len(block)
            self._check_size(sent_bytes, at_end=False)
            self._hash.update(block)
            yield block
            self._on_sent(len(block))
        self._check_size(sent_bytes, at_end=True)
        yield self._tail

    def _check_size(self, sent_bytes: int, *, at_end: bool) -> None:
        if self._size_bytes is None:
            return
        if sent_bytes > self._size_bytes or (at_end and sent_bytes < self._size_bytes):
            raise SourceChangedError(
                f"the file had {self._size_bytes} bytes when the upload began, and now gives {sent_bytes}. Nothing "
                "was kept; send it again when no process writes to it"
            )


def _field(boundary: str, name: str, value: str) -> bytes:
    return _encoded(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n')


def _file_head(boundary: str, filename: str) -> bytes:
    safe = filename.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
    disposition = f'Content-Disposition: form-data; name="file"; filename="{safe}"'
    return _encoded(f"--{boundary}\r\n{disposition}\r\nContent-Type: text/csv\r\n\r\n")


def _encoded(text: str) -> bytes:
    """Return ``text`` as bytes; those of an argument that is not UTF-8 as they were given."""
    return text.encode("utf-8", "surrogateescape")
