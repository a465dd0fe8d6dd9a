"""Construction of chunk messages from uploads and chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from contracts.download_address import download_path
from contracts.message import ChunkMessage
from contracts.names import BYTES_PER_MB, object_key, object_url
from uploader.domain.records import ChunkRecord, UploadRecord

Sign = Callable[[str, int], str]
"""Returns the signature for the address of a chunk, given by upload and number."""


def signed_url(upload_id: str, chunk_id: int, *, base_url: str, signature: str) -> str:
    """Return the URL at which the replica at ``base_url`` serves a chunk to everyone who holds the URL."""
    return f"{base_url}{download_path(upload_id, chunk_id)}/{signature}"


def build_message(
    upload: UploadRecord, chunk: ChunkRecord, *, base_url: str, published_at: datetime, sign: Sign
) -> ChunkMessage:
    """Return the message that announces ``chunk``; ``base_url`` is the address of the replica that stores it."""
    signature = sign(upload.upload_id, chunk.chunk_id)
    return ChunkMessage(
        upload_id=upload.upload_id,
        dataset_name=upload.dataset_name,
        chunk_id=chunk.chunk_id,
        total_chunks=upload.total_chunks,
        filename=chunk.filename,
        chunk_size_mb=round(chunk.size_bytes / BYTES_PER_MB, 6),
        row_count=chunk.row_count,
        row_start=chunk.row_start,
        row_end=chunk.row_end,
        file_path=object_url(upload.bucket, object_key(upload.dataset_name, chunk.filename)),
        headers=upload.headers,
        header_count=len(upload.headers),
        published_at=published_at,
        api_endpoint=signed_url(upload.upload_id, chunk.chunk_id, base_url=base_url, signature=signature),
        size_bytes=chunk.size_bytes,
        sha256=chunk.sha256,
        byte_start=chunk.byte_start,
        byte_end=chunk.byte_end,
        encoding=upload.encoding,
    )


def build_messages(
    upload: UploadRecord, chunks: Sequence[ChunkRecord], *, base_url: str, published_at: datetime, sign: Sign
) -> list[ChunkMessage]:
    """Return the messages of several chunks, which share one list of column names that is validated once."""
    if not chunks:
        return []
    first = build_message(upload, chunks[0], base_url=base_url, published_at=published_at, sign=sign)
    names = {"headers": first.headers, "header_count": first.header_count}
    nameless = replace(upload, headers=[])
    others = [
        build_message(nameless, chunk, base_url=base_url, published_at=published_at, sign=sign) for chunk in chunks[1:]
    ]
    return [first, *(other.model_copy(update=names) for other in others)]
