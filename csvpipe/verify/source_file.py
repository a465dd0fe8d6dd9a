"""Comparison of a file, plain or compressed, with the content that an upload's manifest records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from contracts.errors import SourceNotFoundError
from contracts.manifest import Manifest
from contracts.number_text import counted, format_count
from csvpipe.verify.report import Difference
from csvscan import CsvFormatError, Transcoder, Unpacker, UnpackingError, detect_compression

_BLOCK_BYTES = 1024 * 1024


def check_source_file(path: Path, manifest: Manifest) -> Iterator[Difference]:
    """Give the difference between the content of the file at ``path`` and the uploaded one, if there is any.

    The file may be compressed, in another way than the uploaded one or not at all.

    Raises:
        SourceNotFoundError: it is not readable.
    """
    place, sha256, size_bytes = f"file {path}", hashlib.sha256(), 0
    try:
        for piece in _content(path):
            sha256.update(piece)
            size_bytes += len(piece)
    except OSError as error:
        raise SourceNotFoundError(f"{path} cannot be read: {error.strerror}") from error
    except (UnpackingError, CsvFormatError) as error:
        yield Difference(place, str(error))
        return
    if size_bytes != manifest.content_bytes:
        expected = format_count(manifest.content_bytes)
        yield Difference(place, f"its content has {counted(size_bytes, 'byte')}, expected {expected}")
    elif sha256.hexdigest() != manifest.content_sha256:
        found, expected = sha256.hexdigest(), manifest.content_sha256
        yield Difference(place, f"the SHA-256 of its content is {found}, expected {expected}")


def _content(path: Path) -> Iterator[bytes | memoryview]:
    """Yield the content: unpacked, and as UTF-8 if it is UTF-16."""
    transcoder = Transcoder()
    for piece in _unpacked(path):
        yield transcoder.feed(piece)
    yield transcoder.finish()


def _unpacked(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        block = file.read(_BLOCK_BYTES)
        compression = detect_compression(block)
        unpacker = None if compression is None else Unpacker(compression)
        while block:
            if unpacker is None:
                yield block
            else:
                yield from unpacker.feed(block)
            block = file.read(_BLOCK_BYTES)
        if unpacker is not None:
            unpacker.finish()
