"""A fake of the Kafka publisher. The publisher itself is tested with a real broker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from contracts.message import ChunkMessage
from uploader.errors import PublishError
from uploader.kafka.publisher import PublishResult


@dataclass
class FakePublisher:
    """Stores published messages. It is unavailable while ``away`` is set."""

    away: bool = False
    messages: list[ChunkMessage] = field(default_factory=list)
    traceparents: list[str | None] = field(default_factory=list)
    """The header of each message."""
    takes: int | None = None
    """How many messages it takes of a batch before it fails."""
    refuses: set[int] = field(default_factory=set)
    before_publish: Callable[[], None] = lambda: None
    calls: int = 0
    about_to_publish: str | None = None
    """The upload whose messages it was handed last."""
    closed: bool = False

    def publish(
        self, messages: Sequence[ChunkMessage], *, timeout_s: float, traceparent: str | None = None
    ) -> PublishResult:
        self.calls += 1
        self.about_to_publish = messages[0].upload_id
        self.before_publish()
        if self.away:
            return PublishResult(failure="the fake is away")
        taken = [message for message in messages[: self.takes] if message.chunk_id not in self.refuses]
        self.messages += taken
        self.traceparents += [traceparent] * len(taken)
        return PublishResult(
            acknowledged=[message.chunk_id for message in taken],
            refused={message.chunk_id: "too large" for message in messages if message.chunk_id in self.refuses},
            failure=None if self.takes is None or len(messages) <= self.takes else "the fake left half-way",
        )

    def check(self, *, timeout_s: float) -> None:
        if self.away:
            raise PublishError("the fake is away")

    def close(self, *, timeout_s: float) -> None:
        self.closed = True

    @property
    def announced(self) -> list[tuple[str, int]]:
        """Return upload and chunk of each message."""
        return [(message.upload_id, message.chunk_id) for message in self.messages]
