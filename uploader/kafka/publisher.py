"""The interface through which the outbox publishes chunk messages. Calls block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from contracts.message import ChunkMessage


@dataclass(frozen=True, kw_only=True)
class PublishResult:
    """The result of publishing messages, by chunk id. The others were not acknowledged; see ``failure``."""

    acknowledged: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    """Messages that Kafka will never accept, with the reason."""
    failure: str | None = None


class Publisher(Protocol):
    """Publishes chunk messages."""

    def publish(
        self, messages: Sequence[ChunkMessage], *, timeout_s: float, traceparent: str | None = None
    ) -> PublishResult:
        """Publish ``messages`` in order and wait for the acknowledgements, at most ``timeout_s``.

        Each gets the header ``traceparent`` if one is given.
        """

    def check(self, *, timeout_s: float) -> None:
        """Return if Kafka answers and has the topic, which is created where it is missing.

        Raises:
            PublishError: it does not.
        """

    def close(self, *, timeout_s: float) -> None:
        """Flush buffered messages and disconnect."""
