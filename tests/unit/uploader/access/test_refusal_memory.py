"""Refusals are counted in bounded memory, and become at most one record a minute."""

from __future__ import annotations

from contracts.audit import AuditAction
from uploader.access.audit import Actor, AuditEvent
from uploader.access.principal import NOBODY, Principal
from uploader.access.refusal_memory import MAX_ADDRESSES, RefusalMemory


def refusal(address: str = "192.0.2.1", *, outcome: str = "unauthenticated", key_id: str | None = None) -> AuditEvent:
    principal = NOBODY if key_id is None else Principal(key_id=key_id, name="key", permissions=frozenset(), datasets=())
    actor = Actor(principal, address)
    return AuditEvent(action=AuditAction.REFUSE, outcome=outcome, actor=actor, detail="GET /uploads")


def details(memory: RefusalMemory, *, now: float) -> list[str]:
    return [due.event.detail for due in memory.take(now=now)]


def test_repeated_refusals_are_one_record_a_minute_with_their_number() -> None:
    memory = RefusalMemory()
    assert memory.add(refusal(), now=0)
    assert details(memory, now=0) == ["GET /uploads"]
    assert not any(memory.add(refusal(), now=second) for second in range(1, 60))
    assert details(memory, now=59) == []
    assert details(memory, now=60) == ["GET /uploads; 58 more since"]
    assert details(memory, now=1_000) == []


def test_each_key_address_and_reason_has_its_own_record() -> None:
    memory = RefusalMemory()
    for event in (
        refusal(),
        refusal("192.0.2.2"),
        refusal(outcome="rate_limited"),
        refusal(key_id="k1"),
        refusal("192.0.2.2", key_id="k1"),
    ):
        memory.add(event, now=0)
    assert sorted(details(memory, now=0)) == ["GET /uploads"] * 3 + ["GET /uploads; 1 more since"]


def test_flood_from_many_addresses_takes_bounded_memory_and_leaves_room_for_keys() -> None:
    memory = RefusalMemory()
    for number in range(10_000):
        memory.add(refusal(f"2001:db8::{number:x}"), now=0)
    memory.add(refusal(key_id="k1"), now=0)
    taken = memory.take(now=0)
    assert len(taken) == 1 + MAX_ADDRESSES + 1
    assert sum(due.count for due in taken) == 10_001
    assert taken[0].event.actor.principal.key_id == "k1"
    assert taken[-1].event.detail.startswith(f"{10_000 - MAX_ADDRESSES:,} refusals of clients")


def test_address_can_be_recorded_again_after_a_flood() -> None:
    memory = RefusalMemory()
    for number in range(MAX_ADDRESSES):
        memory.add(refusal(f"2001:db8::{number:x}"), now=0)
    memory.take(now=0)
    memory.add(refusal("192.0.2.9"), now=61)
    [due] = memory.take(now=61)
    assert due.event.actor.address == "192.0.2.9"


def test_refusals_that_could_not_be_written_are_due_again() -> None:
    memory = RefusalMemory()
    memory.add(refusal(), now=0)
    taken = memory.take(now=0)
    memory.add(refusal(), now=1)
    memory.put_back(taken, at_once=True)
    assert details(memory, now=1) == ["GET /uploads; 1 more since"]


def test_refusals_that_another_worker_has_recorded_wait_a_minute() -> None:
    memory = RefusalMemory()
    memory.add(refusal(), now=0)
    memory.put_back(memory.take(now=0), at_once=False)
    assert details(memory, now=59) == []
    assert details(memory, now=60) == ["GET /uploads"]
