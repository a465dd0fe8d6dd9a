"""What a check found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    WARNING = "warning"
    """It works now, and will not always."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """There is nothing to check with: no settings, or a package is missing."""


@dataclass(frozen=True)
class Finding:
    """One result of a check.

    Attributes:
        subject: what was checked, such as ``key``.
        text: the fact, with the value.
        advice: what to do, if something is to be done.
    """

    subject: str
    verdict: Verdict
    text: str
    advice: str = ""


Findings = Iterator[Finding]


@dataclass(frozen=True)
class Check:
    """The check of one service. ``run`` gives its findings one after the other, and may block.

    It ends with a :class:`contracts.errors.CsvPipeError` if nothing further can be checked.
    """

    service: str
    run: Callable[[], Findings]


@dataclass(frozen=True)
class Diagnosis:
    """What the check of one service found."""

    service: str
    findings: tuple[Finding, ...]

    @property
    def has_failed(self) -> bool:
        """Whether something does not work."""
        return any(each.verdict is Verdict.FAILED for each in self.findings)
