"""Whoever changes an audit chain is found, with the place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from contracts.audit import FIRST_PREVIOUS_HASH, MAX_PAGE, AuditChainPage, AuditHead, AuditRecord, hash_record
from csvpipe.audit.chain_check import MAX_FAULTS, ChainCheck, ChainReport, FaultKind

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
Records = list[AuditRecord]


def chain(length: int, *, replica: str = "replica-0", size_bytes: int = 10) -> Records:
    records: Records = []
    for sequence in range(1, length + 1):
        values = {
            "replica": replica,
            "sequence": sequence,
            "at": START + timedelta(seconds=sequence),
            "actor": "nightly",
            "key_id": "abcd1234",
            "address": "192.0.2.1",
            "action": "upload",
            "outcome": "done",
            "upload_id": f"{sequence:032x}",
            "dataset": "people",
            "size_bytes": size_bytes,
            "detail": "",
            "previous_hash": records[-1].hash if records else FIRST_PREVIOUS_HASH,
        }
        records.append(AuditRecord(**values, hash=hash_record(**values)))  # type: ignore[arg-type]  # the fields
    return records


def head_of(records: Sequence[AuditRecord]) -> AuditHead:
    return AuditHead(replica=records[-1].replica, sequence=records[-1].sequence, hash=records[-1].hash)


def check(
    records: Sequence[AuditRecord],
    head: AuditHead | None,
    *,
    anchors: Sequence[AuditHead] = (),
    archived: AuditHead | None = None,
) -> ChainReport:
    def read_page(after: int | None) -> AuditChainPage:
        later = [record for record in records if after is None or record.sequence > after]
        return AuditChainPage(records=later[:MAX_PAGE], head=head)

    return ChainCheck("replica-0", anchors=anchors, archived=archived).run(read_page, on_progress=lambda *_: None)


def faults(report: ChainReport) -> list[tuple[int, FaultKind]]:
    return [(fault.sequence, fault.kind) for fault in report.faults]


def test_unchanged_chain_of_several_pages_is_intact() -> None:
    records = chain(2 * MAX_PAGE + 1)
    report = check(records, head_of(records), anchors=[head_of(records[:7]), head_of(records)])
    assert (report.records, report.head, report.fault_count) == (2 * MAX_PAGE + 1, head_of(records), 0)
    records = chain(MAX_PAGE)
    assert check(records, head_of(records)).fault_count == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"actor": "somebody else"},
        {"key_id": None},
        {"key_id": ""},
        {"at": START},
        {"address": "192.0.2.2"},
        {"action": "delete"},
        {"outcome": "unauthenticated"},
        {"upload_id": None},
        {"dataset": "other"},
        {"size_bytes": 11},
        {"detail": "x"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_altered_field_is_found(changed: dict[str, object]) -> None:
    records = chain(5)
    records[2] = records[2].model_copy(update=changed)
    assert faults(check(records, head_of(records))) == [(3, FaultKind.ALTERED)]


def test_altered_record_with_a_hash_of_its_own_is_found_by_the_next() -> None:
    records = chain(5)
    altered = records[2].model_copy(update={"size_bytes": 11})
    records[2] = altered.model_copy(update={"hash": altered.expected_hash})
    assert faults(check(records, head_of(records))) == [(4, FaultKind.NOT_LINKED)]


def _delete(records: Records) -> None:
    del records[2:4]


def _delete_first(records: Records) -> None:
    del records[0]


def _swap(records: Records) -> None:
    second, third = records[1], records[2]
    records[1:3] = [third.model_copy(update={"sequence": 2}), second.model_copy(update={"sequence": 3})]


def _insert(records: Records) -> None:
    records.append(records[-1].model_copy(update={"sequence": 6, "previous_hash": records[-1].hash}))
    records[-1] = records[-1].model_copy(update={"hash": records[-1].expected_hash})


def _take_from_another_replica(records: Records) -> None:
    records[2] = chain(5, replica="another")[2]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_delete, [(5, FaultKind.MISSING)]),
        (_delete_first, [(2, FaultKind.MISSING)]),
        (lambda records: records.pop(), [(5, FaultKind.TRUNCATED)]),
        (lambda records: records.clear(), [(1, FaultKind.TRUNCATED)]),
        (_insert, [(6, FaultKind.INSERTED)]),
        (
            _swap,
            [
                (2, FaultKind.NOT_LINKED),
                (2, FaultKind.ALTERED),
                (3, FaultKind.NOT_LINKED),
                (3, FaultKind.ALTERED),
                (4, FaultKind.NOT_LINKED),
            ],
        ),
        (
            _take_from_another_replica,
            [(3, FaultKind.NOT_LINKED), (3, FaultKind.ALTERED), (4, FaultKind.NOT_LINKED)],
        ),
    ],
    ids=["deleted", "first deleted", "truncated", "emptied", "inserted", "swapped", "of another replica"],
)
def test_changed_chain_is_found_with_its_place(
    change: Callable[[Records], None], expected: list[tuple[int, FaultKind]]
) -> None:
    records = chain(5)
    head = head_of(records)
    change(records)
    assert faults(check(records, head)) == expected


def test_missing_head_is_found() -> None:
    assert faults(check(chain(2), None)) == [(2, FaultKind.INSERTED)]


def test_chain_written_anew_is_intact_unless_an_anchor_is_given() -> None:
    anchor = head_of(chain(3))
    forged = chain(5, size_bytes=99)
    assert check(forged, head_of(forged)).fault_count == 0
    assert faults(check(forged, head_of(forged), anchors=[anchor])) == [(3, FaultKind.ANCHOR)]


def test_chain_that_ends_before_an_anchor_is_found() -> None:
    records = chain(5)
    shorter = records[:3]
    assert check(shorter, head_of(shorter)).fault_count == 0
    assert faults(check(shorter, head_of(shorter), anchors=[head_of(records)])) == [(4, FaultKind.TRUNCATED)]
    assert faults(check([], None, anchors=[head_of(records)])) == [(1, FaultKind.TRUNCATED)]


def test_archived_records_may_be_absent() -> None:
    records = chain(5)
    kept = records[3:]
    assert check(kept, head_of(records), archived=head_of(records[:3])).fault_count == 0
    assert check(records, head_of(records), archived=head_of(records[:3])).fault_count == 0
    assert faults(check(kept, head_of(records), archived=head_of(records[:2]))) == [(4, FaultKind.MISSING)]
    other = head_of(chain(3, size_bytes=99))
    assert faults(check(kept, head_of(records), archived=other)) == [(4, FaultKind.NOT_LINKED)]
    assert faults(check(records, head_of(records), archived=other)) == [(3, FaultKind.ANCHOR)]


def test_records_before_an_anchor_must_not_be_absent() -> None:
    """An anchor is kept to find what was removed: it must not be a licence to remove everything before it."""
    records = chain(5)
    for kept in (records[3:], records[4:]):
        anchors = [head_of(records[:3]), head_of(records[:4])]
        assert faults(check(kept, head_of(records), anchors=anchors)) == [(kept[0].sequence, FaultKind.MISSING)]
    assert faults(check([], head_of(records), anchors=[head_of(records)])) == [(1, FaultKind.TRUNCATED)]
    archived, anchor = head_of(records[:2]), head_of(records[:3])
    kept = records[3:]
    assert faults(check(kept, head_of(records), anchors=[anchor], archived=archived)) == [(4, FaultKind.MISSING)]
    assert check(records[2:], head_of(records), anchors=[head_of(records[:1])], archived=archived).fault_count == 0


def test_chain_without_a_record_since_the_archived_ones_needs_its_head() -> None:
    archived = head_of(chain(3))
    assert check([], archived, archived=archived).fault_count == 0
    assert faults(check([], None, archived=archived)) == [(3, FaultKind.TRUNCATED)]
    assert faults(check([], head_of(chain(3, size_bytes=99)), archived=archived)) == [(3, FaultKind.INSERTED)]
    assert faults(check([], head_of(chain(4)), archived=archived)) == [(4, FaultKind.TRUNCATED)]


def test_two_anchors_of_one_record_are_both_compared() -> None:
    records = chain(3)
    other = head_of(chain(3, size_bytes=99))
    for anchors in ([other, head_of(records)], [head_of(records), other]):
        assert faults(check(records, head_of(records), anchors=anchors)) == [(3, FaultKind.ANCHOR)]


def test_number_of_listed_faults_is_bounded_but_all_are_counted() -> None:
    records = [record.model_copy(update={"detail": "x"}) for record in chain(3 * MAX_FAULTS)]
    report = check(records, head_of(records))
    assert (len(report.faults), report.fault_count) == (MAX_FAULTS, 3 * MAX_FAULTS)


def test_hash_is_that_of_the_documented_text() -> None:
    text = (
        '["csvpipe-audit-1","replica-0",1,"2026-01-31T12:00:01.000000+00:00","nightly","abcd1234","192.0.2.1",'
        f'"upload","done","{1:032x}","people",10,"","{0:064x}"]'
    )
    assert chain(1)[0].hash == hashlib.sha256(text.encode()).hexdigest()
