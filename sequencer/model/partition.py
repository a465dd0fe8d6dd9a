"""The name of one Kafka partition."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PartitionRef:
    """A partition of a topic, shown as ``topic[partition]``."""

    topic: str
    partition: int = 0

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]"

    @property
    def fields(self) -> dict[str, object]:
        """The fields that name it in a log line."""
        return {"topic": self.topic, "partition": self.partition}
