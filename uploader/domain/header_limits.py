"""How large a header may be: it is repeated in every chunk file and, as JSON, in every message."""

from __future__ import annotations

from pydantic_core import to_json

from contracts.names import BYTES_PER_MB
from csvscan import CsvFormatError
from uploader.errors import HeaderRepeatedError

MAX_HEADER_JSON_BYTES = 64 * 1024
"""Of the column names as JSON: with everything else a message stays far below the 1 MB that Kafka takes by default."""
MAX_REPEATED_BYTES = 4 * BYTES_PER_MB
"""What the headers of all chunks may always take together, however short the file."""
MAX_REPEATED_SHARE = 4
"""How many times the size of the file the headers of all chunks may take."""


def header_json_bytes(headers: list[str]) -> int:
    """Return the size of the column names as they stand in a message."""
    return len(to_json(headers))


def check_header(headers: list[str], *, header_bytes: int) -> int:
    """Return the size of the column names in a message.

    Raises:
        CsvFormatError: it is more than :data:`MAX_HEADER_JSON_BYTES`.
    """
    json_bytes = header_json_bytes(headers)
    if json_bytes > MAX_HEADER_JSON_BYTES:
        raise CsvFormatError(
            "header_too_long",
            row=0,
            byte=0,
            expected=f"column names of at most {MAX_HEADER_JSON_BYTES} bytes as JSON, as every message holds them",
            found=f"{json_bytes} bytes: {len(headers)} columns in a header record of {header_bytes} bytes",
        )
    return json_bytes


def check_repetition(*, header_bytes: int, json_bytes: int, chunks: int, sent_bytes: int) -> None:
    """Check that the headers of ``chunks`` chunks are in proportion to the ``sent_bytes`` of the file.

    Raises:
        HeaderRepeatedError: they are not; the text names a number of chunks that is accepted.
    """
    once = max(header_bytes, json_bytes)
    allowed = max(MAX_REPEATED_BYTES, MAX_REPEATED_SHARE * sent_bytes)
    if once * chunks > allowed:
        raise HeaderRepeatedError(
            f"every chunk and every message repeats the header, which has {header_bytes} bytes ({json_bytes} as JSON): "
            f"in {chunks} chunks that is {once * chunks} bytes, for a file of {sent_bytes} bytes. "
            f"At most {allowed} are accepted: choose a chunk_size that gives at most {allowed // once} chunks, "
            "or shorten the column names",
            field="chunk_size",
            header_bytes=header_bytes,
            header_json_bytes=json_bytes,
            max_repeated_bytes=allowed,
            max_chunks=allowed // once,
        )
