"""State changes of chunks and uploads, as pure functions that the store runs inside its transactions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from contracts.number_text import counted
from contracts.states import (
    ChunkState,
    UploadState,
    check_chunk_change,
    check_reported_change,
    check_upload_change,
    summarise_chunks,
)
from uploader.domain.records import ChunkRecord, UploadOverview
from uploader.errors import EvidenceMismatchError

_Upload = TypeVar("_Upload", bound=UploadOverview)
ON_THEIR_WAY = frozenset({ChunkState.ANNOUNCED, ChunkState.RELAYED})
SAFE_IN_BUCKET = frozenset({ChunkState.LANDED, ChunkState.CLEANED})
WHAT_TO_DO = "look at Airflow and NiFi, then POST /uploads/{id}/announce"


def announced(chunk: ChunkRecord, *, at: datetime) -> ChunkRecord:
    """Return ``chunk`` after Kafka's acknowledgement; a state that a faster consumer has reported stays.

    ``at`` is the message's own ``published_at``: :func:`reported_failed` compares the two.
    """
    chunk = replace(chunk, attempts=chunk.attempts + 1, announced_at=at)
    return replace(chunk, state=ChunkState.ANNOUNCED) if chunk.state is ChunkState.STORED else chunk


def relayed(chunk: ChunkRecord, *, evidence: Mapping[str, object], at: datetime) -> ChunkRecord:
    """Return ``chunk`` after NiFi has accepted its message.

    Raises:
        IllegalStateChangeError: it has landed already.
    """
    if not check_chunk_change(chunk.state, ChunkState.RELAYED):
        return chunk
    return replace(chunk, state=ChunkState.RELAYED, relayed_at=at, error=None, evidence=dict(evidence))


def landed(chunk: ChunkRecord, *, evidence: Mapping[str, object], at: datetime) -> ChunkRecord:
    """Return ``chunk`` after its object has been seen in the bucket.

    Raises:
        EvidenceMismatchError: the object seen is not this chunk.
    """
    check_evidence(chunk, evidence)
    if chunk.state in SAFE_IN_BUCKET:
        return chunk
    check_chunk_change(chunk.state, ChunkState.LANDED)
    return replace(chunk, state=ChunkState.LANDED, landed_at=at, error=None, evidence=dict(evidence))


def failed(chunk: ChunkRecord, *, reason: str, evidence: Mapping[str, object] | None = None) -> ChunkRecord:
    """Return ``chunk`` failed. If it was announced, reconciliation retries it, up to its limit.

    Raises:
        IllegalStateChangeError: it has landed.
    """
    if not check_reported_change(chunk.state, ChunkState.FAILED):
        return chunk
    return replace(chunk, state=ChunkState.FAILED, error=reason, evidence=dict(evidence or {}))


def missing_in_bucket(chunk: ChunkRecord, *, reason: str) -> ChunkRecord:
    """Return a landed ``chunk`` failed, as the uploader does not find its object; reconciliation announces it again.

    A chunk that is not landed any more is unchanged.
    """
    if chunk.state is not ChunkState.LANDED:
        return chunk
    check_chunk_change(chunk.state, ChunkState.FAILED)
    return replace(chunk, state=ChunkState.FAILED, error=reason, landed_at=None, evidence={})


def reported_failed(
    chunk: ChunkRecord,
    *,
    reason: str,
    evidence: Mapping[str, object],
    published_at: datetime | None,
    reannounce_limit: int,
) -> ChunkRecord:
    """Return ``chunk`` after the relay reported a failure; a chunk that waits to be announced (again) is unchanged.

    So is a chunk that was announced again after ``published_at``, the time of the message that failed.

    Raises:
        IllegalStateChangeError: it has landed.
    """
    if chunk.state is ChunkState.STORED or _is_announced_since(chunk, published_at):
        return chunk
    if chunk.attempts > reannounce_limit:
        reason = f"{reason}; announced {chunk.attempts} times, with no automatic retry left: {WHAT_TO_DO}"
    return failed(chunk, reason=reason, evidence=evidence)


def _is_announced_since(chunk: ChunkRecord, moment: datetime | None) -> bool:
    return moment is not None and chunk.announced_at is not None and moment < chunk.announced_at


def lost(chunk: ChunkRecord, *, reason: str) -> ChunkRecord:
    """Return ``chunk`` failed because of its file: announcing it again would not help.

    Raises:
        IllegalStateChangeError: it has landed.
    """
    check_reported_change(chunk.state, ChunkState.FAILED)
    return replace(chunk, state=ChunkState.FAILED, error=reason, announced_at=None, relayed_at=None, evidence={})


def renewed(chunk: ChunkRecord, *, by_hand: bool) -> ChunkRecord:
    """Return ``chunk`` waiting for another announcement, or unchanged if it is safe in the bucket.

    ``by_hand`` resets the count of attempts.
    """
    if chunk.state in SAFE_IN_BUCKET:
        return chunk
    check_chunk_change(chunk.state, ChunkState.STORED)
    attempts = 0 if by_hand else chunk.attempts
    return replace(
        chunk, state=ChunkState.STORED, attempts=attempts, announced_at=None, relayed_at=None, error=None, evidence={}
    )


def cleaned(chunk: ChunkRecord, *, at: datetime) -> ChunkRecord:
    """Return ``chunk`` after its file has been removed.

    Raises:
        IllegalStateChangeError: it has not landed.
    """
    if not check_chunk_change(chunk.state, ChunkState.CLEANED):
        return chunk
    return replace(chunk, state=ChunkState.CLEANED, cleaned_at=at)


def found_cleaned(chunk: ChunkRecord, *, at: datetime) -> ChunkRecord:
    """Return ``chunk`` after a mark on the disk showed that its file was removed, so that it had landed.

    The database does not know that if it is an older copy or was rebuilt.
    """
    evidence = {"size_bytes": chunk.size_bytes, "sha256": chunk.sha256, "recovered": True}
    return cleaned(landed(chunk, evidence=evidence, at=at), at=at)


def is_overdue(chunk: ChunkRecord, *, before: datetime, reannounce_limit: int) -> bool:
    """Return whether a chunk was announced or relayed ``before``, has not landed, and has retries left."""
    last_sent = chunk.relayed_at or chunk.announced_at
    may_land = chunk.state in ON_THEIR_WAY or chunk.state is ChunkState.FAILED
    given_up = is_given_up(chunk, reannounce_limit=reannounce_limit)
    return may_land and not given_up and last_sent is not None and last_sent < before


def is_given_up(chunk: ChunkRecord, *, reannounce_limit: int) -> bool:
    """Return whether a chunk has failed permanently: too often, or before it was announced (by Kafka or the disk)."""
    was_announced = (chunk.relayed_at or chunk.announced_at) is not None
    return chunk.state is ChunkState.FAILED and not (was_announced and chunk.attempts <= reannounce_limit)


def check_evidence(chunk: ChunkRecord, evidence: Mapping[str, object]) -> None:
    """Compare the object in the bucket with the announced chunk.

    Raises:
        EvidenceMismatchError: size or SHA-256 is missing or differs.
    """
    for name, expected in (("size_bytes", chunk.size_bytes), ("sha256", chunk.sha256)):
        seen = evidence.get(name)
        if seen != expected:
            raise EvidenceMismatchError(
                f"chunk {chunk.chunk_id} has {name} {expected}, but the evidence has "
                f"{'none' if seen is None else repr(seen)[:80]}",
                field=f"evidence.{name}",
                expected=expected,
                found=None if seen is None else str(seen)[:80],
            )


def summarised(upload: _Upload, counts: Mapping[ChunkState, int], *, first_error: str | None, at: datetime) -> _Upload:
    """Return ``upload`` with the state, timestamps and error that follow from its chunks."""
    state = summarise_chunks(dict(counts))
    check_upload_change(upload.state, state)
    failures = counts.get(ChunkState.FAILED, 0)
    error = (
        f"{failures} of {counted(upload.total_chunks, 'chunk')} failed; the first: {first_error}" if failures else None
    )
    announced_at = upload.announced_at or (None if state is UploadState.FAILED else at)
    return replace(
        upload,
        state=state,
        error=error,
        announced_at=None if state is UploadState.CHUNKED else announced_at,
        landed_at=(upload.landed_at or at) if state is UploadState.LANDED else None,
    )
