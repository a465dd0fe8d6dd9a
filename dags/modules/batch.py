"""From drained records to chunk runs: which runs to start, and which offsets that settles."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.errors import InvalidMessageError
from contracts.message import ChunkMessage
from contracts.names import BYTES_PER_MB
from contracts.traceparent import TRACEPARENT, find_traceparent
from dags.modules.validators import AllowedHosts, base_url, validate_value

log = logging.getLogger(__name__)

UNKNOWN_UPLOAD = "unknown_upload"
"""Code of a dead letter: the message is of the right form, and no uploader has its upload."""
SHARED_FIELDS = (
    "upload_id",
    "dataset_name",
    "total_chunks",
    "headers",
    "header_count",
    "source_system",
    "version",
    "content_type",
    "encoding",
)
"""The same in every message of an upload; a run's conf holds them once."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A record of the topic as it was drained."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A record that goes to the dead-letter topic."""

    record: Record
    code: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ChunkRun:
    """A run of ``csv-chunk-ingestion`` to start."""

    run_id: str
    note: str
    conf: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one drain comes to. ``offsets`` are the next ones to read, by partition."""

    runs: list[ChunkRun] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    offsets: dict[int, int] = field(default_factory=dict)
    valid_count: int = 0
    """Messages that the runs carry, repeated ones included."""


def group_records(
    records: Iterable[Record],
    *,
    allowed: AllowedHosts,
    bucket: str,
    find_unknown: Callable[[list[ChunkMessage]], Collection[str]] = lambda _: (),
) -> Batch:
    """Validate records and form one run for each upload and partition among them.

    ``find_unknown`` is called once with all valid messages and returns the ids of uploads that do not exist.
    """
    rejected: list[Rejected] = []
    offsets: dict[int, int] = {}
    valid: list[tuple[Record, ChunkMessage]] = []
    for record in records:
        offsets[record.partition] = max(offsets.get(record.partition, 0), record.offset + 1)
        message = _read_message(record, allowed=allowed, bucket=bucket)
        if isinstance(message, Rejected):
            rejected.append(message)
        else:
            valid.append((record, message))
    unknown = find_unknown([message for _, message in valid]) if valid else ()
    groups: dict[tuple[str, int], list[tuple[Record, ChunkMessage]]] = {}
    for record, message in valid:
        if message.upload_id in unknown:
            rejected.append(_reject_unknown(record, message))
        else:
            groups.setdefault((message.upload_id, record.partition), []).append((record, message))
    return Batch(
        runs=[_form_run(upload_id, partition, group) for (upload_id, partition), group in groups.items()],
        rejected=rejected,
        offsets=offsets,
        valid_count=sum(map(len, groups.values())),
    )


def pack_messages(messages: Iterable[ChunkMessage], *, traceparent: str | None = None) -> dict[str, Any]:
    """Return the conf of a run; :func:`unpack_messages` gives the messages back."""
    dumps = [message.model_dump(mode="json") for message in messages]
    common = {name: dumps[0][name] for name in SHARED_FIELDS}
    chunks = [{k: v for k, v in dump.items() if k not in common or common[k] != v} for dump in dumps]
    return {
        "upload_id": common["upload_id"],
        "dataset_name": common["dataset_name"],
        "common": common,
        "chunks": chunks,
        **({} if traceparent is None else {TRACEPARENT: traceparent}),
    }


def unpack_messages(conf: Mapping[str, Any]) -> list[ChunkMessage]:
    """Return the messages of a run from its conf.

    Raises:
        InvalidMessageError: the conf (of a run started by hand) is not of that form.
    """
    try:
        messages = [ChunkMessage.model_validate({**conf["common"], **chunk}) for chunk in conf["chunks"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidMessageError(
            f"the run's conf must have upload_id, common and chunks as the listener writes them: {error}"
        ) from error
    if not messages or {message.upload_id for message in messages} != {conf.get("upload_id")}:
        raise InvalidMessageError("the run's conf must hold the chunks of exactly the upload that it names")
    return messages


def describe_chunks(ids: Iterable[int]) -> str:
    """Write chunk ids as ranges: ``1-3, 7``."""
    parts: list[list[int]] = []
    for number in sorted(ids):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in parts)


def _read_message(record: Record, *, allowed: AllowedHosts, bucket: str) -> ChunkMessage | Rejected:
    try:
        message = validate_value(record.value, allowed=allowed, bucket=bucket)
        json.dumps(pack_messages([message]), allow_nan=False)
    except InvalidMessageError as error:
        return Rejected(record=record, code=error.code, reason=error.detail)
    except Exception as error:  # whatever one message does, it must not hold up those behind it for ever
        log.exception("%s[%d]@%d cannot be handled", record.topic, record.partition, record.offset)
        return Rejected(record=record, code="unprocessable", reason=f"{type(error).__name__}: {error}")
    return message


def _reject_unknown(record: Record, message: ChunkMessage) -> Rejected:
    reason = f"upload_id: the uploader at {base_url(message)[:300]} has no upload {message.upload_id}"
    return Rejected(record=record, code=UNKNOWN_UPLOAD, reason=reason)


def _form_run(upload_id: str, partition: int, group: list[tuple[Record, ChunkMessage]]) -> ChunkRun:
    offsets = [record.offset for record, _ in group]
    # Chunk numbers would not do: two different batches of one upload can have the same first and last chunk. Nor would
    # offsets alone: they start again when a topic is made anew.
    values = hashlib.sha256(b"".join(record.value or b"" for record, _ in group))
    messages = _drop_repeated(message for _, message in group)
    return ChunkRun(
        run_id=f"{upload_id}-{partition}-{min(offsets)}-{max(offsets)}-{values.hexdigest()[:8]}",
        note=_describe_run(messages),
        conf=pack_messages(messages, traceparent=_find_trace(record for record, _ in group)),
    )


def _find_trace(records: Iterable[Record]) -> str | None:
    """Return the first trace among the records: they are of one upload, and so of one trace."""
    return next(filter(None, (find_traceparent(record.headers) for record in records)), None)


def _drop_repeated(messages: Iterable[ChunkMessage]) -> list[ChunkMessage]:
    """Take a chunk announced twice as it was last; contradictory messages stay, as only the uploader knows more."""
    by_age = sorted(messages, key=lambda message: message.published_at)
    different = {message.model_dump_json(exclude={"published_at", "api_endpoint"}): message for message in by_age}
    return sorted(different.values(), key=lambda message: message.chunk_id)


def _describe_run(messages: list[ChunkMessage]) -> str:
    first = messages[0]
    size_mb = sum(message.size_bytes for message in messages) / BYTES_PER_MB
    rows = sum(message.row_count for message in messages)
    chunks = describe_chunks({message.chunk_id for message in messages})
    return (
        f"Dataset {first.dataset_name}, chunks {chunks} of {first.total_chunks}: {rows} rows, {size_mb:.1f} MB. "
        f"Upload {first.upload_id}"
    )[:1000]
