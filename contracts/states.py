"""The states of an upload and of a chunk, and the one table of allowed changes for each."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from contracts.errors import IllegalStateChangeError


class UploadState(StrEnum):
    """Where an upload stands."""

    RECEIVING = "receiving"
    """Bytes are coming in; nothing is committed yet. Never stored: the upload exists from CHUNKED on."""
    CHUNKED = "chunked"
    """All chunk files and the manifest are on disk; not every chunk has been announced."""
    ANNOUNCED = "announced"
    """Kafka has acknowledged a message for every chunk."""
    LANDING = "landing"
    """At least one chunk has been relayed or has landed."""
    LANDED = "landed"
    """Every chunk lies in the bucket, checked by size and SHA-256."""
    REJECTED = "rejected"
    """Refused while it came in (bad CSV, too large, disk full); nothing remains of it."""
    ABORTED = "aborted"
    """Given up: by the client while sending, or by DELETE."""
    FAILED = "failed"
    """At least one chunk failed and no chunk is still on its way."""


class ChunkState(StrEnum):
    """Where a chunk stands."""

    STORED = "stored"
    """On the uploader's disk, not announced."""
    ANNOUNCED = "announced"
    """Kafka has acknowledged its message."""
    RELAYED = "relayed"
    """NiFi has accepted it."""
    LANDED = "landed"
    """In the bucket, with the announced size and SHA-256."""
    CLEANED = "cleaned"
    """Landed, and its file has been removed from the uploader's disk."""
    FAILED = "failed"
    """Not landed. The uploader announces it again, so often; after that ``POST /uploads/{id}/announce`` does."""


_S = TypeVar("_S", bound=StrEnum)
_U = UploadState
UPLOAD_CHANGES: dict[UploadState, frozenset[UploadState]] = {
    _U.RECEIVING: frozenset({_U.CHUNKED, _U.REJECTED, _U.ABORTED}),
    _U.CHUNKED: frozenset({_U.ANNOUNCED, _U.LANDING, _U.LANDED, _U.FAILED, _U.ABORTED}),
    _U.ANNOUNCED: frozenset({_U.CHUNKED, _U.LANDING, _U.LANDED, _U.FAILED, _U.ABORTED}),
    _U.LANDING: frozenset({_U.CHUNKED, _U.ANNOUNCED, _U.LANDED, _U.FAILED, _U.ABORTED}),
    _U.LANDED: frozenset({_U.ABORTED}),
    _U.FAILED: frozenset({_U.CHUNKED, _U.ANNOUNCED, _U.LANDING, _U.LANDED, _U.ABORTED}),
    _U.REJECTED: frozenset(),
    _U.ABORTED: frozenset(),
}
"""Allowed changes of an upload. Back to CHUNKED or ANNOUNCED is a renewed announcement."""

_C = ChunkState
CHUNK_CHANGES: dict[ChunkState, frozenset[ChunkState]] = {
    _C.STORED: frozenset({_C.ANNOUNCED, _C.RELAYED, _C.LANDED, _C.FAILED}),
    _C.ANNOUNCED: frozenset({_C.STORED, _C.RELAYED, _C.LANDED, _C.FAILED}),
    _C.RELAYED: frozenset({_C.STORED, _C.ANNOUNCED, _C.LANDED, _C.FAILED}),
    _C.LANDED: frozenset({_C.CLEANED}),
    _C.FAILED: frozenset({_C.STORED, _C.ANNOUNCED, _C.RELAYED, _C.LANDED}),
    _C.CLEANED: frozenset(),
}
"""Allowed changes of a chunk.

STORED to LANDED is the crash between Kafka's acknowledgement and the mark in the outbox: the consumer may be
faster than the mark. Back to STORED is a renewed announcement. LANDED never goes back: an object that was checked
is only ever cleaned up at the source.
"""


def check_upload_change(old: UploadState, new: UploadState) -> bool:
    """Return whether ``old`` to ``new`` changes anything.

    Raises:
        IllegalStateChangeError: the table does not allow the change.
    """
    return _check(UPLOAD_CHANGES, old, new, "upload")


def check_chunk_change(old: ChunkState, new: ChunkState) -> bool:
    """Return whether ``old`` to ``new`` changes anything.

    Raises:
        IllegalStateChangeError: the table does not allow the change.
    """
    return _check(CHUNK_CHANGES, old, new, "chunk")


def _check(table: dict[_S, frozenset[_S]], old: _S, new: _S, what: str) -> bool:
    if old == new:
        return False
    if new not in table[old]:
        allowed = ", ".join(sorted(table[old])) or "none: it is final"
        raise IllegalStateChangeError(
            f"a {what} in state '{old}' cannot become '{new}' (allowed: {allowed})", old=str(old), new=str(new)
        )
    return True


def summarise_chunks(states: dict[ChunkState, int]) -> UploadState:
    """Derive the state of an upload from the number of its chunks in each state (``{state: count}``)."""
    total = sum(states.values())
    count = {s: states.get(s, 0) for s in ChunkState}
    landed = count[_C.LANDED] + count[_C.CLEANED]
    if landed == total:
        return _U.LANDED
    if landed + count[_C.FAILED] == total:
        return _U.FAILED
    if count[_C.STORED]:
        return _U.CHUNKED
    if landed or count[_C.RELAYED]:
        return _U.LANDING
    return _U.ANNOUNCED
