"""Responses of the API and manifests, built from stored records."""

from __future__ import annotations

from contracts.api import ChunkStatus, ChunkUnit, Status, UploadAccepted, UploadStatus, UploadSummary
from contracts.deviations import AcceptedDeviations
from contracts.manifest import Manifest, ManifestChunk
from contracts.names import object_key
from contracts.states import ChunkState, UploadState
from uploader.domain.cutting import ChunkType
from uploader.domain.records import ChunkRecord, UploadOverview, UploadRecord
from uploader.domain.transitions import SAFE_IN_BUCKET, is_given_up

_UNITS: dict[ChunkType, ChunkUnit] = {ChunkType.SIZE: "MB", ChunkType.ROWS: "rows", ChunkType.COUNT: "chunks"}


def accepted_of(upload: UploadRecord, *, base_url: str, replayed: bool) -> UploadAccepted:
    """Return the response to the request that uploaded ``upload``."""
    return UploadAccepted(
        upload_id=upload.upload_id,
        dataset_name=upload.dataset_name,
        status=Status.of(upload.state),
        total_chunks=upload.total_chunks,
        chunk_size=upload.chunk_size,
        chunk_unit=_UNITS[upload.chunk_type],
        tracking_url=f"{base_url}/uploads/{upload.upload_id}/status",
        created_at=upload.created_at,
        row_count=upload.row_count,
        accepted_deviations=_deviations_of(upload),
        size_bytes=upload.source_bytes,
        sha256=upload.source_sha256,
        compression=upload.compression,
        headers=upload.headers,
        replayed=replayed,
    )


def summary_of(upload: UploadOverview, chunk_counts: dict[ChunkState, int]) -> UploadSummary:
    """Return the summary of ``upload``, which has ``chunk_counts`` chunks in each state."""
    return UploadSummary(
        upload_id=upload.upload_id,
        dataset_name=upload.dataset_name,
        source_filename=upload.source_filename,
        status=Status.of(upload.state),
        state=upload.state,
        created_at=upload.created_at,
        chunked_at=upload.chunked_at,
        announced_at=upload.announced_at,
        landed_at=upload.landed_at,
        row_count=upload.row_count,
        accepted_deviations=_deviations_of(upload),
        size_bytes=upload.source_bytes,
        sha256=upload.source_sha256,
        compression=upload.compression,
        total_chunks=upload.total_chunks,
        chunk_counts=chunk_counts,
        error=upload.error,
    )


def status_of(upload: UploadOverview, chunks: list[ChunkRecord], *, reannounce_limit: int) -> UploadStatus:
    """Return the status of ``upload``; failed chunks below ``reannounce_limit`` will be announced again."""
    counts: dict[ChunkState, int] = {}
    for chunk in chunks:
        counts[chunk.state] = counts.get(chunk.state, 0) + 1
    at_rest = all(
        chunk.state in SAFE_IN_BUCKET or is_given_up(chunk, reannounce_limit=reannounce_limit) for chunk in chunks
    )
    return UploadStatus(
        **summary_of(upload, counts).model_dump(),
        final=at_rest or upload.state is UploadState.ABORTED,
        chunks=[ChunkStatus.model_validate(chunk) for chunk in chunks],
    )


def manifest_of(upload: UploadRecord, chunks: list[ChunkRecord]) -> Manifest:
    """Return the manifest of ``upload``."""
    return Manifest(
        upload_id=upload.upload_id,
        dataset_name=upload.dataset_name,
        source_filename=upload.source_filename,
        source_bytes=upload.source_bytes,
        source_sha256=upload.source_sha256,
        compression=upload.compression,
        content_bytes=upload.content_bytes,
        content_sha256=upload.content_sha256,
        encoding=upload.encoding,
        transcoded_from=upload.transcoded_from,
        delimiter=upload.delimiter,
        headers=upload.headers,
        header_bytes=upload.header_bytes,
        row_count=upload.row_count,
        accepted_deviations=_deviations_of(upload),
        total_chunks=upload.total_chunks,
        bucket=upload.bucket,
        created_at=upload.created_at,
        chunks=[_manifest_chunk(upload, chunk) for chunk in chunks],
    )


def _deviations_of(upload: UploadOverview) -> AcceptedDeviations | None:
    found = upload.accepted_deviations
    return None if found is None else AcceptedDeviations.model_validate(found)


def _manifest_chunk(upload: UploadOverview, chunk: ChunkRecord) -> ManifestChunk:
    return ManifestChunk(
        chunk_id=chunk.chunk_id,
        filename=chunk.filename,
        key=object_key(upload.dataset_name, chunk.filename),
        size_bytes=chunk.size_bytes,
        sha256=chunk.sha256,
        row_count=chunk.row_count,
        row_start=chunk.row_start,
        row_end=chunk.row_end,
        byte_start=chunk.byte_start,
        byte_end=chunk.byte_end,
    )


def span_attributes_of(accepted: UploadAccepted) -> dict[str, str | int | bool]:
    """Return what the span of an accepted upload says of it."""
    return {
        "csvpipe.upload_id": accepted.upload_id,
        "csvpipe.dataset_name": accepted.dataset_name,
        "csvpipe.bytes": accepted.size_bytes,
        "csvpipe.rows": accepted.row_count,
        "csvpipe.chunks": accepted.total_chunks,
        "csvpipe.status": accepted.status,
        "csvpipe.replayed": accepted.replayed,
    }
