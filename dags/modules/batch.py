"""Batches: which chunk runs to start for the records of a drain, and which offsets to commit afterwards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import partial

from contracts.errors import InvalidMessageError
from contracts.message import ChunkMessage
from contracts.names import BYTES_PER_MB
from contracts.number_text import counted
from contracts.traceparent import find_traceparent
from dags.modules.allowed_hosts import AllowedHosts
from dags.modules.known_uploads import UploadAt
from dags.modules.records import Record, RejectedRecord
from dags.modules.run_request import RunRequest, describe_chunks, pack_messages
from dags.modules.task_log import task_logger
from dags.modules.validators import base_url, validate_value

log = task_logger(__name__)

UNKNOWN_UPLOAD = "unknown_upload"
"""Code of a dead letter whose message is valid, but whose upload the uploader at its address does not know."""
_MAX_NOTE_CHARS = 1000


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The result of one drain. ``offsets`` are the next offsets to read, by partition."""

    runs: list[RunRequest] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)
    offsets: dict[int, int] = field(default_factory=dict)
    valid_count: int = 0
    """Number of messages in the runs, duplicates included."""


def group_records(
    records: Iterable[Record],
    *,
    allowed: AllowedHosts,
    bucket: str,
    find_unknown: Callable[[list[ChunkMessage]], Collection[UploadAt]] = lambda _: (),
    validate: Callable[..., ChunkMessage] = validate_value,
) -> Batch:
    """Validate records and form one run for each upload, partition and address of the uploader.

    A run asks one uploader. Any writer to the topic can repeat a message with another address, which must not decide
    what uploader the run of the other messages asks. ``find_unknown`` is called once with all valid messages. Tests
    replace ``validate``.
    """
    rejected: list[RejectedRecord] = []
    offsets: dict[int, int] = {}
    valid: list[tuple[Record, ChunkMessage]] = []
    for record in records:
        offsets[record.partition] = max(offsets.get(record.partition, 0), record.offset + 1)
        message = _read_message(record, partial(validate, allowed=allowed, bucket=bucket))
        if isinstance(message, RejectedRecord):
            rejected.append(message)
        else:
            valid.append((record, message))
    unknown = find_unknown([message for _, message in valid]) if valid else ()
    groups: dict[tuple[UploadAt, int], list[tuple[Record, ChunkMessage]]] = {}
    for record, message in valid:
        upload = UploadAt(base_url(message), message.upload_id)
        if upload in unknown:
            rejected.append(_reject_unknown(record, upload))
        else:
            groups.setdefault((upload, record.partition), []).append((record, message))
    return Batch(
        runs=[_form_request(upload.upload_id, partition, group) for (upload, partition), group in groups.items()],
        rejected=rejected,
        offsets=offsets,
        valid_count=sum(map(len, groups.values())),
    )


def _read_message(record: Record, validate: Callable[[bytes | None], ChunkMessage]) -> ChunkMessage | RejectedRecord:
    try:
        message = validate(record.value)
        json.dumps(pack_messages([message]), allow_nan=False)
    except InvalidMessageError as error:
        return RejectedRecord(record=record, code=error.code, reason=error.detail)
    except Exception as error:  # one message must never block those after it
        place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        log.exception("Record cannot be processed", extra=place)
        return RejectedRecord(record=record, code="unprocessable", reason=f"{type(error).__name__}: {error}")
    return message


def _reject_unknown(record: Record, upload: UploadAt) -> RejectedRecord:
    reason = f"upload_id: the uploader at {upload.address[:300]} has no upload {upload.upload_id}"
    return RejectedRecord(record=record, code=UNKNOWN_UPLOAD, reason=reason)


def _form_request(upload_id: str, partition: int, group: list[tuple[Record, ChunkMessage]]) -> RunRequest:
    offsets = [record.offset for record, _ in group]
    # Chunk numbers are not unique: two batches of one upload can have the same first and last chunk. Neither are
    # offsets alone: they start again when a topic is recreated.
    values = hashlib.sha256(b"".join(record.value or b"" for record, _ in group))
    messages = _drop_duplicates(message for _, message in group)
    return RunRequest(
        run_id=f"{upload_id}-{partition}-{min(offsets)}-{max(offsets)}-{values.hexdigest()[:8]}",
        note=_describe_messages(messages),
        conf=pack_messages(messages, traceparent=_find_trace(record for record, _ in group)),
    )


def _find_trace(records: Iterable[Record]) -> str | None:
    """Return the first trace among the records. They belong to one upload, and so to one trace."""
    return next(filter(None, (find_traceparent(record.headers) for record in records)), None)


def _drop_duplicates(messages: Iterable[ChunkMessage]) -> list[ChunkMessage]:
    """Keep the newest of equal messages. Contradictory ones all stay: only the uploader knows which is right."""
    by_age = sorted(messages, key=lambda message: message.published_at)
    different = {message.model_dump_json(exclude={"published_at", "api_endpoint"}): message for message in by_age}
    return sorted(different.values(), key=lambda message: message.chunk_id)


def _describe_messages(messages: list[ChunkMessage]) -> str:
    first = messages[0]
    size_mib = sum(message.size_bytes for message in messages) / BYTES_PER_MB
    rows = sum(message.row_count for message in messages)
    chunks = describe_chunks({message.chunk_id for message in messages})
    return (
        f"Dataset {first.dataset_name}, chunks {chunks} of {first.total_chunks}: {counted(rows, 'row')}, "
        f"{size_mib:.1f} MiB. Upload {first.upload_id}"
    )[:_MAX_NOTE_CHARS]
