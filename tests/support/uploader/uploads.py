"""Uploads for tests of the services: chunking results with real files, and a settable clock."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from uploader.access.audit import Actor
from uploader.access.principal import EVERYBODY
from uploader.domain.cutting import ChunkType, CutChunk, CutOptions, CutResult
from uploader.domain.records import ChunkRecord, UploadRecord, new_upload
from uploader.domain.replica_identity import ReplicaIdentity

HEADER = b"id,name\n"
ACTOR = Actor(EVERYBODY, "192.0.2.1")
REPLICA = ReplicaIdentity(name="replica-0", base_url="http://uploader:8000", worker="replica-0/worker")
_AGES = count(1)


@dataclass
class SettableClock:
    """A clock that changes only when the test moves it."""

    now: datetime = field(default_factory=lambda: datetime(2026, 1, 31, 12, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **amount: float) -> None:
        """Move on, for instance by ``minutes=30``."""
        self.now += timedelta(**amount)


def chunk_bytes(chunk_id: int) -> bytes:
    """Return the content of a chunk file: the header and one row."""
    return HEADER + b"%d,row of chunk %d\n" % (chunk_id, chunk_id)


def cut_result(*, chunks: int = 3, filename: str = "source.csv", stamp: str = "stamp") -> CutResult:
    """Return the description of a source of one row a chunk."""
    bodies = [chunk_bytes(chunk_id)[len(HEADER) :] for chunk_id in range(1, chunks + 1)]
    source = HEADER + b"".join(bodies)
    cut, start = [], len(HEADER)
    for chunk_id, body in enumerate(bodies, start=1):
        content = HEADER + body
        cut.append(
            CutChunk(
                chunk_id=chunk_id,
                filename=f"people_chunk_{chunk_id:03d}_{stamp}.csv",
                size_bytes=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                row_start=chunk_id,
                row_end=chunk_id,
                byte_start=start,
                byte_end=start + len(body),
            )
        )
        start += len(body)
    sha256 = hashlib.sha256(source).hexdigest()
    return CutResult(
        source_filename=filename,
        source_bytes=len(source),
        source_sha256=sha256,
        content_bytes=len(source),
        content_sha256=sha256,
        encoding="utf-8",
        transcoded_from=None,
        delimiter=",",
        headers=["id", "name"],
        header_bytes=len(HEADER),
        row_count=chunks,
        chunks=cut,
    )


def cut_options(**given: object) -> CutOptions:
    """Return options for dataset ``people``."""
    values = {"dataset_name": "people", "chunk_type": ChunkType.ROWS, "chunk_size": 1, **given}
    return CutOptions(**values)  # type: ignore[arg-type]  # any field of CutOptions


def upload_records(
    *,
    at: datetime,
    chunks: int = 3,
    replica: str = "replica-0",
    owner: str | None = None,
    key: str | None = None,
    upload_id: str | None = None,
    dataset_name: str = "people",
    traceparent: str | None = None,
    headers: list[str] | None = None,
) -> tuple[UploadRecord, list[ChunkRecord]]:
    """Return the records of an upload that began some microseconds, each time other ones, before ``at``."""
    return new_upload(
        upload_id=upload_id or uuid.uuid4().hex,
        options=cut_options(dataset_name=dataset_name),
        result=replace(cut_result(chunks=chunks), headers=headers or ["id", "name"]),
        replica=replica,
        bucket="raw",
        owner=owner,
        idempotency_key=key,
        created_at=at - timedelta(microseconds=next(_AGES)),
        chunked_at=at,
        traceparent=traceparent,
    )


def write_chunks(directory: Path, result: CutResult) -> None:
    """Write the chunk files that ``result`` describes."""
    directory.mkdir(parents=True, exist_ok=True)
    for chunk in result.chunks:
        (directory / chunk.filename).write_bytes(chunk_bytes(chunk.chunk_id))
