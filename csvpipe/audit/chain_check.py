"""The check of an audit chain: every hash, every link, and the head, from the first record to the last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from contracts.audit import FIRST_PREVIOUS_HASH, MAX_PAGE, AuditChainPage, AuditHead, AuditRecord

ReadPage = Callable[[int | None], AuditChainPage]
"""Reads up to :data:`MAX_PAGE` records after a sequence number, or from the first, with the head of that moment."""
MAX_FAULTS = 20


class FaultKind(StrEnum):
    """What is wrong at one place of a chain."""

    ALTERED = "altered"
    """The hash is not that of the record."""
    NOT_LINKED = "not_linked"
    """The record does not carry the hash of the one before: one of them was altered, replaced or inserted."""
    MISSING = "missing"
    """Records before this one were deleted."""
    TRUNCATED = "truncated"
    """The last records were deleted: the head, or an anchor, knows more."""
    INSERTED = "inserted"
    """The head does not know the record, or knows another one as the last."""
    ANCHOR = "anchor"
    """The record is another one than the anchor was taken from: the chain was written anew."""


@dataclass(frozen=True)
class ChainFault:
    """One place of a chain where it is broken."""

    sequence: int
    kind: FaultKind
    text: str


@dataclass(kw_only=True)
class ChainReport:
    """The result for one chain: ``head`` is the last record that was read, for use as an anchor."""

    replica: str
    records: int = 0
    head: AuditHead | None = None
    faults: list[ChainFault] = field(default_factory=list)
    """The first :data:`MAX_FAULTS`."""
    fault_count: int = 0

    def add(self, sequence: int, kind: FaultKind, text: str) -> None:
        """Add a fault."""
        self.fault_count += 1
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(ChainFault(sequence, kind, text))


class ChainCheck:
    """Checks the records of one chain, in their order.

    Args:
        replica: whose chain it is.
        anchors: heads that were noted earlier. Their records must be there, unless they are archived.
        archived: the last record that was archived. It and those before it may be absent.
    """

    def __init__(self, replica: str, *, anchors: Sequence[AuditHead] = (), archived: AuditHead | None = None) -> None:
        self.report = ChainReport(replica=replica)
        self._archived = archived
        self._anchors: dict[int, set[str]] = {}
        for anchor in (*anchors, *([archived] if archived else [])):
            self._anchors.setdefault(anchor.sequence, set()).add(anchor.hash)
        self._sequence, self._hash = 0, FIRST_PREVIOUS_HASH

    def run(self, read_page: ReadPage, *, on_progress: Callable[[int, int], None]) -> ChainReport:
        """Read the chain page by page, and check it; ``on_progress`` gets the records read, and their total number."""
        after = None
        while True:
            page = read_page(after)
            for record in page.records:
                self._check(record)
            after = page.records[-1].sequence if page.records else after
            on_progress(self.report.records, max(self.report.records, page.head.sequence if page.head else 0))
            if len(page.records) < MAX_PAGE:
                self._check_end(page.head)
                return self.report

    def _check(self, record: AuditRecord) -> None:
        report, number = self.report, record.sequence
        if report.records == 0 and self._archived is not None and number > self._archived.sequence:
            self._skip_archived(self._archived)
        if number != self._sequence + 1:
            last = number - 1
            span = f"record {last} is" if last == self._sequence + 1 else f"records {self._sequence + 1} to {last} are"
            report.add(number, FaultKind.MISSING, f"{span} missing")
        elif record.previous_hash != self._hash:
            report.add(number, FaultKind.NOT_LINKED, f"does not carry the hash of record {self._sequence}")
        if record.replica != report.replica or record.hash != record.expected_hash:
            report.add(number, FaultKind.ALTERED, "was altered: its hash is another one")
        if self._anchors.get(number, {record.hash}) != {record.hash}:
            report.add(number, FaultKind.ANCHOR, "is not the record that the anchor was taken from")
        self._sequence, self._hash = number, record.hash
        report.records += 1
        report.head = AuditHead(replica=report.replica, sequence=number, hash=record.hash)

    def _skip_archived(self, archived: AuditHead) -> None:
        """Begin after the last archived record."""
        self._sequence, self._hash = archived.sequence, archived.hash

    def _check_end(self, head: AuditHead | None) -> None:
        report = self.report
        if report.records == 0 and self._archived is not None:
            self._skip_archived(self._archived)
        last = self._sequence
        if head is None:
            if report.records:
                report.add(last, FaultKind.INSERTED, "is there, but the chain has no head")
            elif last:
                report.add(last, FaultKind.TRUNCATED, "is the last one that was archived, and the chain has no head")
        elif head.sequence > last:
            report.add(last + 1, FaultKind.TRUNCATED, f"is missing, and so are all up to the head, {head.sequence}")
        elif head.sequence < last:
            report.add(last, FaultKind.INSERTED, f"is behind the head, which is record {head.sequence}")
        elif last and head.hash != self._hash:
            report.add(last, FaultKind.INSERTED, "is not the record that the head was taken from")
        for anchor in self._anchors:
            if anchor > max(last, 0 if head is None else head.sequence):
                missing = f"is missing, and so are all up to the anchor, {anchor}"
                report.add(last + 1, FaultKind.TRUNCATED, missing)
