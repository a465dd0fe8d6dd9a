"""A bucket in a dict, and an upload laid into it by hand: no service, and none of the uploader's code."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from contracts.manifest import Manifest, ManifestChunk
from contracts.names import METADATA_SHA256, METADATA_UPLOAD_ID, chunk_filename, object_key, timestamp
from csvpipe.verify.report import StoredObject

UPLOAD_ID = "0123456789abcdef0123456789abcdef"
MOMENT = datetime(2026, 1, 31, 23, 59, 59, 123456, tzinfo=UTC)


@dataclass
class FakeBucket:
    """Objects and their user metadata by key; blocks are read as small as ``block_bytes``."""

    objects: dict[str, bytes] = field(default_factory=dict)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    block_bytes: int = 7

    def stat(self, key: str) -> StoredObject | None:
        if key not in self.objects:
            return None
        return StoredObject(len(self.objects[key]), self.metadata.get(key, {}))

    def read(self, key: str) -> Iterator[bytes]:
        data = self.objects[key]
        return (data[at : at + self.block_bytes] for at in range(0, len(data), self.block_bytes))

    def keys(self, prefix: str) -> Iterator[str]:
        return (key for key in sorted(self.objects) if key.startswith(prefix))

    def folders(self) -> Iterator[str]:
        return iter(sorted({key.partition("/")[0] + "/" for key in self.objects}))


def lay_out(header: str, bodies: list[list[str]], *, utf16: bool = False) -> tuple[Manifest, FakeBucket]:
    """Put ``header`` and the rows of each chunk into a bucket as the pipeline would; return it and its manifest."""
    bucket, prefix = FakeBucket(), header.encode()
    content = prefix + "".join(row for rows in bodies for row in rows).encode()
    source = codecs.BOM_UTF16_LE + content.decode().encode("utf-16-le") if utf16 else content
    chunks, byte, row = [], len(prefix), 1
    for number, rows in enumerate(bodies, start=1):
        body = "".join(rows).encode()
        filename = chunk_filename("flights", number, timestamp(MOMENT))
        chunk = ManifestChunk(
            chunk_id=number,
            filename=filename,
            key=object_key("flights", filename),
            size_bytes=len(prefix + body),
            sha256=_sha256(prefix + body),
            row_count=len(rows),
            row_start=row,
            row_end=row + len(rows) - 1,
            byte_start=byte,
            byte_end=byte + len(body),
        )
        byte, row = chunk.byte_end, chunk.row_end + 1
        bucket.objects[chunk.key] = prefix + body
        bucket.metadata[chunk.key] = {METADATA_SHA256: chunk.sha256, METADATA_UPLOAD_ID: UPLOAD_ID}
        chunks.append(chunk)
    manifest = Manifest(
        upload_id=UPLOAD_ID,
        dataset_name="flights",
        source_filename="flights.csv",
        source_bytes=len(source),
        source_sha256=_sha256(source),
        content_bytes=len(content),
        content_sha256=_sha256(content),
        encoding="utf-8",
        transcoded_from="utf-16-le" if utf16 else None,
        delimiter=",",
        headers=header.strip().split(","),
        header_bytes=len(prefix),
        row_count=row - 1,
        total_chunks=len(chunks),
        bucket="raw",
        created_at=MOMENT,
        chunks=chunks,
    )
    return manifest, bucket


def replace_chunk(manifest: Manifest, number: int, **changes: object) -> Manifest:
    """Return ``manifest`` with fields of one chunk changed."""
    chunks = list(manifest.chunks)
    chunks[number - 1] = chunks[number - 1].model_copy(update=changes)
    return manifest.model_copy(update={"chunks": chunks})


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
