"""The states of an upload and of a chunk, and the one table of allowed changes for each."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from contracts.errors import IllegalStateChangeError


class UploadState(StrEnum):
    """The state of an upload. An upload exists once all of it is on disk."""

    CHUNKED = "chunked"
    """All chunk files and the manifest are on disk; some chunks are not announced yet."""
    ANNOUNCED = "announced"
    """Kafka has acknowledged a message for every chunk."""
    LANDING = "landing"
    """At least one chunk has been relayed or has landed."""
    LANDED = "landed"
    """Every chunk is in the bucket, verified by size and SHA-256."""
    ABORTED = "aborted"
    """Deleted by a client."""
    FAILED = "failed"
    """At least one chunk failed and no chunk is in progress."""


class ChunkState(StrEnum):
    """The state of a chunk."""

    STORED = "stored"
    """On the uploader's disk, not announced."""
    ANNOUNCED = "announced"
    """Kafka has acknowledged its message."""
    RELAYED = "relayed"
    """NiFi has accepted it."""
    LANDED = "landed"
    """In the bucket, with the size and SHA-256 of its message."""
    CLEANED = "cleaned"
    """Landed, and its file has been removed from the uploader's disk."""
    FAILED = "failed"
    """Not landed. The uploader announces it again up to ``REANNOUNCE_LIMIT`` times; later, only a client can."""


_S = TypeVar("_S", bound=StrEnum)
_U = UploadState
UPLOAD_CHANGES: dict[UploadState, frozenset[UploadState]] = {
    _U.CHUNKED: frozenset({_U.ANNOUNCED, _U.LANDING, _U.LANDED, _U.FAILED, _U.ABORTED}),
    _U.ANNOUNCED: frozenset({_U.CHUNKED, _U.LANDING, _U.LANDED, _U.FAILED, _U.ABORTED}),
    _U.LANDING: frozenset({_U.CHUNKED, _U.ANNOUNCED, _U.LANDED, _U.FAILED, _U.ABORTED}),
    _U.LANDED: frozenset({_U.FAILED, _U.ABORTED}),
    _U.FAILED: frozenset({_U.CHUNKED, _U.ANNOUNCED, _U.LANDING, _U.LANDED, _U.ABORTED}),
    _U.ABORTED: frozenset(),
}
"""Allowed changes of an upload. A change back to CHUNKED or ANNOUNCED is a repeated announcement."""

_C = ChunkState
CHUNK_CHANGES: dict[ChunkState, frozenset[ChunkState]] = {
    _C.STORED: frozenset({_C.ANNOUNCED, _C.RELAYED, _C.LANDED, _C.FAILED}),
    _C.ANNOUNCED: frozenset({_C.STORED, _C.RELAYED, _C.LANDED, _C.FAILED}),
    _C.RELAYED: frozenset({_C.STORED, _C.ANNOUNCED, _C.LANDED, _C.FAILED}),
    _C.LANDED: frozenset({_C.CLEANED, _C.FAILED}),
    _C.FAILED: frozenset({_C.STORED, _C.ANNOUNCED, _C.RELAYED, _C.LANDED}),
    _C.CLEANED: frozenset(),
}
"""Allowed changes of a chunk.

STORED to LANDED happens if the uploader crashes after Kafka's acknowledgement and before the outbox records it: the
consumer may be faster. A change back to STORED is a repeated announcement. LANDED changes to FAILED only if the
uploader itself, before it removes the chunk's file, does not find the object; the relay cannot take a landing back.
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


def check_reported_change(old: ChunkState, new: ChunkState) -> bool:
    """Return whether a report that a chunk is ``new`` changes anything. It cannot take a landing back.

    Raises:
        IllegalStateChangeError: the table does not allow the change, or the chunk has landed.
    """
    if old is ChunkState.LANDED and new is ChunkState.FAILED:
        raise IllegalStateChangeError(
            "a chunk that has landed cannot be reported as failed; only the uploader finds its object missing",
            old=str(old),
            new=str(new),
        )
    return check_chunk_change(old, new)


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
