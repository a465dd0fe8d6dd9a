"""The result of checking a topic."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_DIFFERENCES = 10


@dataclass(frozen=True)
class Difference:
    """A record that differs from the expected one.

    Attributes:
        offset: offset of the record; None if records are missing at the end.
        line: ``_source_line`` of the row.
        what: the difference in words.
    """

    offset: int | None
    line: int | None
    what: str

    def __str__(self) -> str:
        """Return the difference in one line."""
        place = "the end" if self.offset is None else f"offset {self.offset}"
        row = "" if self.line is None else f", row {self.line}"
        return f"{place}{row}: {self.what}"


@dataclass
class TopicCheckResult:
    """The result of a check so far."""

    records: int = 0
    first_offset: int | None = None
    last_offset: int | None = None
    first_line: int | None = None
    last_line: int | None = None
    dead_lettered: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def is_match(self) -> bool:
        """Whether there are no differences."""
        return not self.differences

    @property
    def is_full(self) -> bool:
        """Whether further differences are not added."""
        return len(self.differences) >= MAX_DIFFERENCES

    def add_difference(self, offset: int | None, line: int | None, what: str) -> None:
        """Add a difference, unless there are enough."""
        if not self.is_full:
            self.differences.append(Difference(offset, line, what))
