"""A resumable upload as the database has it: who sends what, where its bytes are, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache

from pydantic import TypeAdapter

from uploader.domain.cutting import CutOptions


class ResumableState(StrEnum):
    """What became of a resumable upload."""

    RECEIVING = "receiving"
    """Bytes are missing, or all are there and the upload is not accepted yet."""
    FINISHED = "finished"
    """It is the upload ``accepted_id``."""
    REFUSED = "refused"
    """Its content cannot become an upload; ``problem`` says why."""
    REMOVED = "removed"
    """Its client has removed it."""
    EXPIRED = "expired"
    """No byte came for too long, or its bytes are lost."""


@dataclass(frozen=True, kw_only=True)
class ResumableUpload:
    """One resumable upload. Its offset is not here: only the disk knows which bytes are durable.

    ``upload_id`` is also the id of the upload that it becomes, unless an Idempotency-Key answers it with an earlier
    one, whose id is then ``accepted_id``. While it is receiving, no other one of its owner has its Idempotency-Key.
    ``length_bytes`` is None as long as the client does not know it.
    """

    upload_id: str
    state: ResumableState
    replica: str
    owner: str | None
    actor_name: str
    actor_address: str
    dataset_name: str
    options: dict[str, object]
    filename: str
    length_bytes: int | None
    sha256: str | None
    idempotency_key: str | None
    traceparent: str | None
    created_at: datetime
    ended_at: datetime | None = None
    accepted_id: str | None = None
    problem: dict[str, object] | None = None

    @property
    def cut_options(self) -> CutOptions:
        """How to cut the file."""
        return load_options(self.options)

    def repeats(self, first: ResumableUpload) -> bool:
        """Return whether this was asked for in the same words as ``first``, whose length may have come later."""
        words = (self.options, self.filename, self.sha256)
        return words == (first.options, first.filename, first.sha256) and self.length_bytes in (
            None,
            first.length_bytes,
        )


def dump_options(options: CutOptions) -> dict[str, object]:
    """Return ``options`` in values that JSON can hold."""
    values: dict[str, object] = _adapter().dump_python(options, mode="json")
    return values


def load_options(values: dict[str, object]) -> CutOptions:
    """Return the options that :func:`dump_options` has made ``values`` of."""
    return _adapter().validate_python(values)


@cache
def _adapter() -> TypeAdapter[CutOptions]:
    return TypeAdapter(CutOptions)
