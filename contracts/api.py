"""The bodies of the uploader's HTTP API, for the uploader, its clients and the DAGs.

Descriptions of the fields are those of ``docs/openapi.json``. A client ignores fields that it does not know.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from contracts.compression import Compression
from contracts.deviations import AcceptedDeviations
from contracts.message import UploadId
from contracts.names import DATASETS_PATTERN, KEY_FORM
from contracts.permissions import Permission
from contracts.states import ChunkState, UploadState

MAX_LOOKED_UP = 500
"""Ids in one lookup: as many as the listener reads messages at once."""
MAX_INT32 = 2**31 - 1
MAX_UPLOADS_PER_MINUTE = 60_000
KEY_NAME_PATTERN = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
"""No control characters: names are printed in logs and on terminals."""
_MAX_EVIDENCE_DEPTH = 20
_DATE = re.compile(r"\d{4}-\d\d-\d\dT")

ChunkUnit = Literal["MB", "rows", "chunks"]


def _refuse_bool(value: object) -> object:
    """Refuse true and false, which Python counts as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("must be a whole number")  # noqa: TRY004  pydantic reports a ValueError
    return value


WholeNumber = Annotated[int, BeforeValidator(_refuse_bool)]


class Status(StrEnum):
    """The state of an upload as clients see it: ``chunked`` is shown as ``awaiting_kafka``."""

    AWAITING_KAFKA = "awaiting_kafka"
    ANNOUNCED = "announced"
    LANDING = "landing"
    LANDED = "landed"
    FAILED = "failed"
    ABORTED = "aborted"

    @classmethod
    def of(cls, state: UploadState) -> Status:
        """Return the status of ``state``."""
        return cls.AWAITING_KAFKA if state is UploadState.CHUNKED else cls(state.value)

    @property
    def state(self) -> UploadState:
        """The state with this status."""
        return UploadState.CHUNKED if self is Status.AWAITING_KAFKA else UploadState(self.value)


class UploadAccepted(BaseModel):
    """The upload is stored; its chunks are announced, or will be."""

    upload_id: str
    dataset_name: str
    status: Status = Field(
        description="`announced`, or `awaiting_kafka` if Kafka is unavailable; do not send the file again"
    )
    total_chunks: int
    chunk_size: int
    chunk_unit: ChunkUnit
    tracking_url: str
    created_at: datetime
    row_count: int
    accepted_deviations: AcceptedDeviations | None = Field(
        None, description="what `strict=lenient` accepted; null without it"
    )
    size_bytes: int = Field(description="of the uploaded file")
    sha256: str = Field(description="of the uploaded file")
    compression: Compression | None = Field(None, description="of the uploaded file; the chunks are unpacked")
    headers: list[str]
    replayed: bool = Field(
        False, exclude=True, description="whether the Idempotency-Key was known; status 200 instead of 202"
    )


class ChunkStatus(BaseModel):
    """The state of a chunk."""

    model_config = ConfigDict(from_attributes=True)

    chunk_id: int
    filename: str
    state: ChunkState
    row_count: int
    row_start: int
    row_end: int
    size_bytes: int
    sha256: str
    attempts: int = Field(description="announcements that Kafka acknowledged")
    announced_at: datetime | None
    relayed_at: datetime | None
    landed_at: datetime | None
    error: str | None


class UploadSummary(BaseModel):
    """The state of an upload."""

    upload_id: str
    dataset_name: str
    source_filename: str = Field(description="name of the uploaded file; empty if the client sent none")
    status: Status
    state: UploadState
    created_at: datetime
    chunked_at: datetime
    announced_at: datetime | None
    landed_at: datetime | None
    row_count: int
    accepted_deviations: AcceptedDeviations | None = Field(
        None, description="what `strict=lenient` accepted; null without it"
    )
    size_bytes: int
    sha256: str
    compression: Compression | None = Field(None, description="of the uploaded file; the chunks are unpacked")
    total_chunks: int
    chunk_counts: dict[ChunkState, int]
    error: str | None

    @property
    def landed_chunks(self) -> int:
        """Number of chunks in the bucket."""
        return self.chunk_counts.get(ChunkState.LANDED, 0) + self.chunk_counts.get(ChunkState.CLEANED, 0)


class UploadStatus(UploadSummary):
    """The state of an upload and of each of its chunks."""

    final: bool = Field(
        description="whether the state no longer changes without a request: `landed`, `aborted`, or `failed` with no "
        "chunk that will be announced again"
    )
    chunks: list[ChunkStatus]


class UploadPage(BaseModel):
    """A page of uploads, the newest first."""

    uploads: list[UploadSummary]
    next_cursor: str | None = Field(description="send it as `cursor` for the next page; null on the last")


class KeyOfCaller(BaseModel):
    """What the key of the request may do."""

    name: str
    permissions: list[str] = Field(description="`upload`, `read`, `relay`, `operate`, `admin`; none implies another")
    datasets: list[str] = Field(description="patterns of datasets; `*` stands for any text")
    uploads_per_minute: int | None = Field(description="null: the setting of the service; 0: no limit")
    concurrent_uploads: int | None = Field(description="null: the setting of the service")
    max_file_size_mb: int | None = Field(description="null: the setting of the service")
    expires_at: datetime | None


class UploadIds(BaseModel):
    """Ids of uploads to look up."""

    upload_ids: list[UploadId] = Field(max_length=MAX_LOOKED_UP, description="in any order, with or without duplicates")


class KnownUploads(BaseModel):
    """The ids that belong to an upload of this uploader."""

    known: list[str] = Field(description="sorted, without duplicates; includes deleted uploads")


def _check_is_date(value: object) -> object:
    """Refuse what pydantic would read as seconds since 1970: numbers, also as text."""
    if not isinstance(value, str) or _DATE.match(value) is None:
        raise ValueError("must be a date and time such as 2026-01-31T23:59:59Z")
    return value


def _in_utc(value: datetime) -> datetime:
    """Return ``value`` in UTC, which the databases and the audit records need."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be between the years 1 and 9999 in UTC") from None


DateAndTime = Annotated[AwareDatetime, BeforeValidator(_check_is_date), AfterValidator(_in_utc)]
"""A time with its offset, as JSON Schema's format ``date-time`` has it, in UTC."""


class StateChange(BaseModel):
    """The relay's report on a chunk."""

    state: Literal[ChunkState.RELAYED, ChunkState.LANDED, ChunkState.FAILED]
    evidence: dict[str, object] = Field(
        default_factory=dict, max_length=50, description="observed facts; `landed` needs size_bytes and sha256"
    )
    reason: str | None = Field(None, max_length=4_000, description="why the chunk failed")
    published_at: DateAndTime | None = Field(
        None,
        description="of the message that `failed` is about; if a newer message has been published, the report is "
        "ignored",
    )

    @field_validator("evidence")
    @classmethod
    def _is_shallow(cls, evidence: dict[str, object]) -> dict[str, object]:
        level: list[object] = [evidence]
        for _ in range(_MAX_EVIDENCE_DEPTH + 1):
            level = [child for parent in level for child in _containers_in(parent)]
        if level:
            raise ValueError(f"must not be nested deeper than {_MAX_EVIDENCE_DEPTH} levels")
        return evidence


class KeyLimits(BaseModel):
    """The limits of a key; null is the uploader's setting."""

    uploads_per_minute: int | None = Field(None, ge=0, le=MAX_UPLOADS_PER_MINUTE, description="0 for no limit")
    concurrent_uploads: int | None = Field(None, ge=1, le=MAX_INT32, description="uploads at the same time")
    max_file_size_mb: int | None = Field(None, ge=1, le=MAX_INT32, description="largest file in MiB")

    # Not the type WholeNumber: beside None it would hide the bounds from the document.
    _are_numbers = field_validator("uploads_per_minute", "concurrent_uploads", "max_file_size_mb", mode="before")(
        _refuse_bool
    )


class NewKey(KeyLimits):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, pattern=KEY_NAME_PATTERN, description="who uses it, and for what")
    permissions: list[Permission] = Field(min_length=1, max_length=len(Permission), description="none implies another")
    datasets: list[Annotated[str, Field(min_length=1, max_length=128, pattern=DATASETS_PATTERN)]] = Field(
        min_length=1,
        max_length=100,
        description="names of datasets, in which up to three `*` stand for any characters; `*` itself with the "
        "permission `admin`",
    )
    expires_at: DateAndTime | None = Field(None, description="when it stops working; null for never")
    key: str | None = Field(
        None,
        pattern=f"^{KEY_FORM.pattern}$",
        repr=False,
        description="a key that was made elsewhere (`csvpipe keys generate`); null for a new one",
    )

    @field_validator("datasets")
    @classmethod
    def _are_all_for_admin(cls, datasets: list[str], info: ValidationInfo) -> list[str]:
        """Refuse a limit that would limit nothing: whoever may create keys can create one for every dataset."""
        if Permission.ADMIN in info.data.get("permissions", ()) and "*" not in datasets:
            raise ValueError("must be * for the permission admin, whose holder can create keys for every dataset")
        return datasets


class Key(KeyLimits):
    """A key, without its secret."""

    key_id: str = Field(description="the 8 characters after `csvp_`")
    name: str
    permissions: list[Permission]
    datasets: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_on: date | None = Field(description="the day, in UTC")
    revoked_at: datetime | None
    previous_until: datetime | None = Field(description="until when the secret before the last rotation works")


class KeyWithSecret(Key):
    """A key with its secret, which is not shown again."""

    key: str = Field(repr=False, description="the whole key: `csvp_<id>_<secret>`")


class KeyList(BaseModel):
    """All keys, the oldest first, revoked ones included."""

    keys: list[Key]


class KeyRotation(BaseModel):
    """How to rotate a key."""

    model_config = ConfigDict(extra="forbid")

    grace_s: WholeNumber = Field(
        0, ge=0, le=30 * 24 * 3600, description="seconds for which the present secret still works"
    )


def _containers_in(value: object) -> list[object]:
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [child for child in values if isinstance(child, dict | list)]
