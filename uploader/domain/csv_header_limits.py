"""Size limits of a header, which every chunk file and, as JSON, every message repeats."""

from __future__ import annotations

from pydantic_core import to_json

from contracts.names import BYTES_PER_MB
from csvscan import CsvFormatError
from uploader.errors import HeaderRepeatedError

MAX_HEADER_JSON_BYTES = 64 * 1024
"""Limit of the column names as JSON; the whole message stays far below Kafka's default limit of 1 MB."""
MAX_REPEATED_BYTES = 4 * BYTES_PER_MB
"""Total size of the headers of all chunks that is always allowed, however small the file."""
MAX_REPEATED_SHARE = 4
"""Allowed total size of the headers of all chunks, as a multiple of the file's size."""


def header_json_bytes(headers: list[str]) -> int:
    """Return the size of the column names in a message."""
    return len(to_json(headers))


def check_header(headers: list[str], *, header_bytes: int) -> int:
    """Return the size of the column names in a message.

    Raises:
        CsvFormatError: they exceed :data:`MAX_HEADER_JSON_BYTES`.
    """
    json_bytes = header_json_bytes(headers)
    if json_bytes > MAX_HEADER_JSON_BYTES:
        raise CsvFormatError(
            "header_too_long",
            row=0,
            byte=0,
            expected=f"column names of at most {MAX_HEADER_JSON_BYTES} bytes as JSON, as every message repeats them",
            found=f"{json_bytes} bytes: {len(headers)} columns in a header record of {header_bytes} bytes",
        )
    return json_bytes


def check_repetition(*, header_bytes: int, json_bytes: int, chunks: int, sent_bytes: int) -> None:
    """Check that the headers of ``chunks`` chunks are in proportion to the ``sent_bytes`` of the file.

    Raises:
        HeaderRepeatedError: they are not. Its text names an accepted number of chunks.
    """
    once = max(header_bytes, json_bytes)
    allowed = max(MAX_REPEATED_BYTES, MAX_REPEATED_SHARE * sent_bytes)
    if once * chunks > allowed:
        raise HeaderRepeatedError(
            f"the header of {header_bytes} bytes ({json_bytes} as JSON) is repeated in every chunk and message: "
            f"{chunks} chunks repeat {once * chunks} bytes for a file of {sent_bytes} bytes, and at most {allowed} are "
            f"accepted. Choose a chunk_size that gives at most {allowed // once} chunks, or shorten the column names",
            field="chunk_size",
            header_bytes=header_bytes,
            header_json_bytes=json_bytes,
            max_repeated_bytes=allowed,
            max_chunks=allowed // once,
        )
