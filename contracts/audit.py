"""Audit records, the hash that chains them, and the bodies of ``/audit``."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

FIRST_PREVIOUS_HASH = "0" * 64
"""The ``previous_hash`` of the first record of a chain."""
MAX_PAGE = 1_000
"""Records in one page."""
DONE = "done"
"""The outcome of a change. The outcome of a refusal is the code of its error."""
_FORMAT = "csvpipe-audit-1"


class AuditAction(StrEnum):
    """What a record tells of."""

    UPLOAD = "upload"
    """An upload was accepted."""
    ANNOUNCE = "announce"
    """An upload was announced again by request."""
    DELETE = "delete"
    """An upload was deleted."""
    LAND = "land"
    """The last chunk of an upload has landed."""
    FAIL = "fail"
    """A chunk of an upload has failed, and no other is on its way."""
    CREATE_KEY = "create_key"
    REVOKE_KEY = "revoke_key"
    ROTATE_KEY = "rotate_key"
    RECOVER = "recover"
    """``csvpipe recover`` was run: in a new database, this is the first record of the chain."""
    REFUSE = "refuse"
    """Requests were refused with 401, 403 or 429."""


class AuditRecord(BaseModel):
    """One audit record. ``hash`` covers all other fields, and ``previous_hash`` is the hash of the record before."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    replica: str = Field(description="replica that wrote the record; each has a chain of its own")
    sequence: int = Field(description="position in the chain of the replica, from 1, without gaps")
    at: AwareDatetime
    actor: str = Field(description="name of the API key, `anonymous`, or `uploader` for its own background tasks")
    key_id: str | None = Field(description="id of the API key, or null if there was none")
    address: str = Field(description="IP address of the client; empty for `uploader`")
    action: str = Field(description=f"one of {', '.join(action.value for action in AuditAction)}")
    outcome: str = Field(description="`done`, or the error code of a refusal")
    upload_id: str | None
    dataset: str | None
    size_bytes: int | None = Field(description="of the uploaded file")
    detail: str = Field(description="further facts, for people")
    previous_hash: str
    hash: str

    @property
    def expected_hash(self) -> str:
        """The hash that the other fields result in."""
        return hash_record(**self.model_dump(exclude={"hash"}))


class AuditHead(BaseModel):
    """The last record of a chain. Noted elsewhere, it is an anchor: a record up to it can no longer be changed."""

    model_config = ConfigDict(frozen=True)

    replica: str
    sequence: int
    hash: str


class AuditPage(BaseModel):
    """A page of audit records, the newest first."""

    records: list[AuditRecord]
    next_cursor: str | None = Field(description="send it as `cursor` for the next page; null on the last")


class AuditChains(BaseModel):
    """The replicas that have a chain."""

    replicas: list[str] = Field(description="sorted")


class AuditChainPage(BaseModel):
    """Records of one chain in their order, and the head of the chain at the same moment."""

    records: list[AuditRecord]
    head: AuditHead | None = Field(description="null if there is none, although there are records")


def hash_record(
    *,
    replica: str,
    sequence: int,
    at: datetime,
    actor: str,
    key_id: str | None,
    address: str,
    action: str,
    outcome: str,
    upload_id: str | None,
    dataset: str | None,
    size_bytes: int | None,
    detail: str,
    previous_hash: str,
) -> str:
    """Return the SHA-256 of a record, in hexadecimal.

    It is that of a JSON array in ASCII without blanks: the name of the format, then the fields in the order of the
    parameters. ``at`` is in UTC with microseconds (``2026-01-31T23:59:59.000001+00:00``). JSON quotes strings and
    tells null from an empty string, so no two records have the same text.
    """
    fields = [
        _FORMAT,
        replica,
        sequence,
        at.astimezone(UTC).isoformat(timespec="microseconds"),
        actor,
        key_id,
        address,
        action,
        outcome,
        upload_id,
        dataset,
        size_bytes,
        detail,
        previous_hash,
    ]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode("ascii")).hexdigest()
