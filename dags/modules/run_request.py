"""Requests for chunk runs: the run id, the note and the conf, which holds the messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from contracts.errors import InvalidMessageError
from contracts.faults import describe_invalid
from contracts.message import ChunkMessage
from contracts.traceparent import TRACEPARENT

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
"""Fields that are equal in every message of an upload. A run's conf holds them once."""


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """A run of ``csv-chunk-ingestion`` to start."""

    run_id: str
    note: str
    conf: dict[str, Any]


def pack_messages(messages: Iterable[ChunkMessage], *, traceparent: str | None = None) -> dict[str, Any]:
    """Return the conf of a run for ``messages``. :func:`unpack_messages` is the inverse."""
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
    """Return the messages in the conf of a run.

    Raises:
        InvalidMessageError: The conf (of a run started by hand) has another form.
    """
    try:
        messages = [ChunkMessage.model_validate({**conf["common"], **chunk}) for chunk in conf["chunks"]]
    except (KeyError, TypeError, ValueError) as error:
        reason = describe_invalid(error, whole="message") if isinstance(error, ValidationError) else error
        raise InvalidMessageError(
            f"the conf of the run must have upload_id, common and chunks, as the listener writes them: {reason}"
        ) from error
    if not messages or {message.upload_id for message in messages} != {conf.get("upload_id")}:
        raise InvalidMessageError(
            "the conf of the run must hold chunks of the upload in its upload_id, and of no other"
        )
    return messages


def describe_chunks(ids: Iterable[int]) -> str:
    """Format chunk ids as ranges: ``1-3, 7``."""
    ranges: list[list[int]] = []
    for number in sorted(ids):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ", ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in ranges)
