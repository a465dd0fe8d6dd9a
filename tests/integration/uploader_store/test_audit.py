"""Audit records: written with the change that they tell of, and chained."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import insert

from contracts.audit import FIRST_PREVIOUS_HASH, AuditAction, AuditRecord
from tests.support.uploader.stored_uploads import CLAIM_FOR, land
from tests.support.uploader.uploads import ACTOR, SettableClock, upload_records
from uploader.access.audit import Actor, AuditEvent
from uploader.access.principal import Principal
from uploader.domain.records import UploadRecord
from uploader.domain.transitions import announced, failed, renewed
from uploader.errors import AuditChainError, UploadInProgressError
from uploader.runtime.clock import utc_now
from uploader.store.audit import AuditQuery
from uploader.store.claims import Claim
from uploader.store.engine import open_engine
from uploader.store.store import Store, open_store
from uploader.store.tables import audit_records

KEY = Actor(
    Principal(key_id="abcd1234", name="nightly", permissions=frozenset(), datasets=("people",)), address="192.0.2.7"
)
REFUSAL = AuditEvent(action=AuditAction.REFUSE, outcome="unauthenticated", actor=ACTOR)


def chain(store: Store) -> list[AuditRecord]:
    """Return the records of the only chain, after a check that each follows the one before."""
    [replica] = store.audit.replicas()
    records, head = store.audit.read_chain(replica, after=None, limit=10_000)
    assert head is not None
    assert (head.sequence, head.hash) == (records[-1].sequence, records[-1].hash)
    assert [record.sequence for record in records] == list(range(1, len(records) + 1))
    previous = FIRST_PREVIOUS_HASH
    for record in records:
        assert (record.previous_hash, record.hash) == (previous, record.expected_hash)
        previous = record.hash
    return records


def actions(store: Store) -> list[str]:
    return [record.action for record in chain(store)]


def test_upload_and_its_record_are_stored_together(store: Store, clock: SettableClock) -> None:
    upload, chunks = upload_records(at=clock.now)
    store.uploads.create(upload, chunks, claim=Claim.new(upload.upload_id), claim_for=CLAIM_FOR, actor=KEY)
    [record] = chain(store)
    assert (record.action, record.outcome, record.upload_id) == ("upload", "done", upload.upload_id)
    assert (record.actor, record.key_id, record.address) == ("nightly", "abcd1234", "192.0.2.7")
    assert (record.dataset, record.size_bytes) == ("people", upload.source_bytes)
    assert upload.source_sha256 in record.detail


def test_upload_that_is_not_stored_leaves_no_record(
    create: Callable[..., UploadRecord], store: Store, clock: SettableClock
) -> None:
    first = create(key="key")
    upload, chunks = upload_records(at=clock.now, key="key")
    replayed = store.uploads.create(upload, chunks, claim=Claim.new(upload.upload_id), claim_for=CLAIM_FOR)
    assert replayed is not None
    assert [record.upload_id for record in chain(store)] == [first.upload_id]


def test_landing_and_failure_of_an_upload_are_recorded_once(
    create: Callable[..., UploadRecord], store: Store, clock: SettableClock
) -> None:
    upload = create(chunks=2)
    edit = partial(store.chunks.edit, upload.upload_id, at=clock.now, actor=KEY)
    edit([1], partial(failed, reason="NiFi refused it"))
    edit(None, partial(renewed, by_hand=True), action=AuditAction.ANNOUNCE)
    land(store, upload, 1, clock=clock)
    land(store, upload, 2, clock=clock)
    land(store, upload, 2, clock=clock)
    assert actions(store) == ["upload", "announce", "land"]
    assert [record.actor for record in chain(store)] == ["uploader", "nightly", "uploader"]


def test_failure_is_recorded_with_its_reason(
    create: Callable[..., UploadRecord], store: Store, clock: SettableClock
) -> None:
    upload = create(chunks=1)
    store.chunks.edit(upload.upload_id, [1], partial(failed, reason="a\x1b[31mb"), at=clock.now, actor=KEY)
    assert actions(store) == ["upload", "fail"]
    assert chain(store)[-1].detail == r"1 of 1 chunk failed; the first: chunk 1: a\x1b[31mb"


def test_deletion_is_recorded_once_and_a_refused_one_not(
    create: Callable[..., UploadRecord], store: Store, clock: SettableClock
) -> None:
    upload = create(chunks=1)
    delete = partial(store.uploads.abort, upload.upload_id, at=clock.now, actor=KEY)
    store.chunks.edit(upload.upload_id, None, partial(announced, at=clock.now), at=clock.now)
    with pytest.raises(UploadInProgressError):
        delete(force=False)
    delete(force=True)
    delete(force=True)
    assert actions(store) == ["upload", "delete"]


def test_chain_has_no_gap_or_fork_if_many_workers_append_at_once(url: str) -> None:
    stores = [open_store(url, replica="replica-0") for _ in range(4)]
    together = threading.Barrier(len(stores))

    def append(store: Store) -> None:
        together.wait()
        for _ in range(15):
            store.audit.record([REFUSAL])

    with ThreadPoolExecutor(len(stores)) as pool:
        list(pool.map(append, stores))
    assert len(chain(stores[0])) == 60
    for store in stores:
        store.close()


def test_each_replica_has_a_chain_of_its_own(store: Store, url: str) -> None:
    other = open_store(url, replica="another")
    store.audit.record([REFUSAL, REFUSAL])
    other.audit.record([REFUSAL])
    assert len(store.audit.replicas()) == 2
    records, head = store.audit.read_chain("another", after=None, limit=10)
    assert head is not None
    assert (len(records), head.sequence, records[0].previous_hash) == (1, 1, FIRST_PREVIOUS_HASH)
    other.close()


def test_refusal_that_another_worker_has_recorded_is_left_for_later(store: Store) -> None:
    by_key = AuditEvent(action=AuditAction.REFUSE, outcome="unauthenticated", actor=KEY)
    a_minute_ago = utc_now() - timedelta(minutes=1)
    assert store.audit.record_refusals([REFUSAL, by_key], since=a_minute_ago) == []
    assert store.audit.record_refusals([REFUSAL, by_key], since=a_minute_ago) == [REFUSAL, by_key]
    assert store.audit.record_refusals([REFUSAL], since=utc_now()) == []


def test_nothing_is_accepted_behind_an_inserted_record(store: Store, clock: SettableClock, url: str) -> None:
    store.audit.record([REFUSAL])
    [last] = chain(store)
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(insert(audit_records), {**last.model_dump(), "sequence": 2})
    engine.dispose()
    upload, chunks = upload_records(at=clock.now, key="key")
    with pytest.raises(AuditChainError):
        store.uploads.create(upload, chunks, claim=Claim.new(upload.upload_id), claim_for=CLAIM_FOR)
    assert store.uploads.find(upload.upload_id) is None


def test_pages_have_every_record_once_the_newest_first(store: Store) -> None:
    store.audit.record([REFUSAL] * 7)
    found: list[AuditRecord] = []
    while page := store.audit.list_page(
        AuditQuery(limit=3, after=(found[-1].at, found[-1].replica, found[-1].sequence) if found else None)
    ):
        found += page
    assert [record.sequence for record in found] == [7, 6, 5, 4, 3, 2, 1]


def test_filters_select_by_every_fact(create: Callable[..., UploadRecord], store: Store) -> None:
    upload = create()
    store.audit.record([AuditEvent(action=AuditAction.REFUSE, outcome="rate_limited", actor=KEY, dataset="people")])
    first, second = chain(store)

    def sequences(**given: object) -> list[int]:
        return [record.sequence for record in store.audit.list_page(AuditQuery(limit=10, **given))]  # type: ignore[arg-type]  # fields of AuditQuery

    assert sequences(upload_id=upload.upload_id) == sequences(action=AuditAction.UPLOAD) == [1]
    assert sequences(actor="nightly") == sequences(actor="abcd1234") == sequences(outcome="rate_limited") == [2]
    assert sequences(dataset="people", replica=first.replica) == [2, 1]
    assert (sequences(since=second.at), sequences(until=second.at), sequences(replica="other")) == ([2], [1], [])


def test_no_field_has_a_secret_or_a_control_character(store: Store) -> None:
    secret, signature = "S" * 43, "h" * 43
    said = f"a\x00\n csvp_abcd1234_{secret} /chunks/1/1/download/v1.1234567890.k1.{signature}"
    loud = Actor(Principal(key_id=None, name=said, permissions=frozenset(), datasets=()), address=said)
    store.audit.record([AuditEvent(action=AuditAction.REFUSE, outcome="unauthenticated", actor=loud, detail=said)])
    [record] = chain(store)
    for text in (record.actor, record.address, record.detail):
        assert text.isprintable()
        assert secret not in text
        assert signature[:10] not in text
        assert text.startswith(r"a\x00\n csvp_abcd1234_*** /chunks/1/1/download/v1.1234567890.k1.***")
