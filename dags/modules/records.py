"""Kafka records of chunk messages, as the listener consumes and rejects them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Record:
    """A record of the topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass(frozen=True, kw_only=True)
class RejectedRecord:
    """A record for the dead-letter topic."""

    record: Record
    code: str
    reason: str
