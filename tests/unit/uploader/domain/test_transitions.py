from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone
from functools import partial

import pytest

from contracts.errors import IllegalStateChangeError
from contracts.states import ChunkState, UploadState
from tests.support.uploader.uploads import SettableClock, upload_records
from uploader.domain.records import ChunkRecord
from uploader.domain.transitions import (
    announced,
    cleaned,
    failed,
    is_given_up,
    is_overdue,
    landed,
    lost,
    missing_in_bucket,
    relayed,
    renewed,
    reported_failed,
    summarised,
)
from uploader.errors import EvidenceMismatchError

NOW = SettableClock().now
UPLOAD, (CHUNK, *_) = upload_records(at=NOW)
EVIDENCE = {"size_bytes": CHUNK.size_bytes, "sha256": CHUNK.sha256, "etag": "x"}


def chunk_in(state: ChunkState) -> ChunkRecord:
    steps = {
        ChunkState.STORED: CHUNK,
        ChunkState.ANNOUNCED: announced(CHUNK, at=NOW),
        ChunkState.RELAYED: relayed(announced(CHUNK, at=NOW), evidence={}, at=NOW),
        ChunkState.LANDED: landed(CHUNK, evidence=EVIDENCE, at=NOW),
        ChunkState.CLEANED: cleaned(landed(CHUNK, evidence=EVIDENCE, at=NOW), at=NOW),
        ChunkState.FAILED: failed(CHUNK, reason="x"),
    }
    assert steps[state].state is state
    return steps[state]


@pytest.mark.parametrize("state", [ChunkState.RELAYED, ChunkState.LANDED, ChunkState.CLEANED])
def test_report_of_a_faster_consumer_is_kept(state: ChunkState) -> None:
    after = announced(chunk_in(state), at=NOW)
    assert after.state is state
    assert after.attempts == chunk_in(state).attempts + 1


@pytest.mark.parametrize(
    ("evidence", "field"),
    [
        ({}, "size_bytes"),
        ({**EVIDENCE, "size_bytes": CHUNK.size_bytes + 1}, "size_bytes"),
        ({**EVIDENCE, "size_bytes": str(CHUNK.size_bytes)}, "size_bytes"),
        ({"size_bytes": CHUNK.size_bytes}, "sha256"),
        ({**EVIDENCE, "sha256": "0" * 64}, "sha256"),
    ],
)
@pytest.mark.parametrize("state", list(ChunkState))
def test_landing_needs_evidence_of_the_same_chunk(state: ChunkState, evidence: dict[str, object], field: str) -> None:
    with pytest.raises(EvidenceMismatchError) as caught:
        landed(chunk_in(state), evidence=evidence, at=NOW)
    assert caught.value.extra["field"] == f"evidence.{field}"


@pytest.mark.parametrize("state", [ChunkState.LANDED, ChunkState.CLEANED])
def test_repeated_landing_changes_nothing_even_after_cleaning(state: ChunkState) -> None:
    assert landed(chunk_in(state), evidence=EVIDENCE, at=NOW + timedelta(hours=1)) == chunk_in(state)


def test_repeated_report_keeps_the_first_timestamp() -> None:
    once = chunk_in(ChunkState.RELAYED)
    assert relayed(once, evidence={"other": 1}, at=NOW + timedelta(hours=1)) == once
    gone = chunk_in(ChunkState.FAILED)
    assert failed(gone, reason="another") == gone


@pytest.mark.parametrize("state", [ChunkState.LANDED, ChunkState.CLEANED])
def test_landed_chunk_never_changes_back_by_a_report(state: ChunkState) -> None:
    chunk = chunk_in(state)
    with pytest.raises(IllegalStateChangeError):
        failed(chunk, reason="x")
    with pytest.raises(IllegalStateChangeError):
        relayed(chunk, evidence={}, at=NOW)
    with pytest.raises(IllegalStateChangeError):
        lost(chunk, reason="x")
    assert renewed(chunk, by_hand=True) == chunk


def test_only_a_landed_chunk_can_be_missing_in_the_bucket() -> None:
    sent = announced(CHUNK, at=NOW)
    missing = missing_in_bucket(landed(sent, evidence=EVIDENCE, at=NOW), reason="gone")
    assert (missing.state, missing.error, missing.landed_at) == (ChunkState.FAILED, "gone", None)
    assert is_overdue(missing, before=NOW + timedelta(hours=1), reannounce_limit=1), "it is announced again"
    for state in set(ChunkState) - {ChunkState.LANDED}:
        assert missing_in_bucket(chunk_in(state), reason="gone") == chunk_in(state)


@pytest.mark.parametrize("state", [ChunkState.ANNOUNCED, ChunkState.RELAYED, ChunkState.FAILED])
def test_failure_of_an_older_message_changes_nothing(state: ChunkState) -> None:
    chunk = replace(chunk_in(state), announced_at=NOW)
    report = partial(reported_failed, chunk, reason="x", evidence={}, reannounce_limit=0)
    assert report(published_at=NOW - timedelta(microseconds=1)) == chunk
    for published_at in (NOW, NOW.astimezone(timezone(timedelta(hours=7))), NOW + timedelta(minutes=1), None):
        assert report(published_at=published_at).state is ChunkState.FAILED


def test_failure_before_the_announcement_is_committed_counts() -> None:
    """The consumer was faster, or the uploader died between the two."""
    chunk = relayed(CHUNK, evidence={}, at=NOW)
    after = reported_failed(chunk, reason="x", evidence={}, published_at=NOW, reannounce_limit=0)
    assert after.state is ChunkState.FAILED


@pytest.mark.parametrize("state", sorted(set(ChunkState) - {ChunkState.LANDED, ChunkState.CLEANED}))
def test_only_landed_chunks_are_cleaned(state: ChunkState) -> None:
    with pytest.raises(IllegalStateChangeError):
        cleaned(chunk_in(state), at=NOW)


def test_renewal_by_hand_resets_attempts_and_revives_failed_chunks() -> None:
    assert renewed(chunk_in(ChunkState.RELAYED), by_hand=True) == CHUNK
    assert renewed(chunk_in(ChunkState.FAILED), by_hand=True) == CHUNK


def test_renewal_by_reconciliation_keeps_counting_attempts() -> None:
    chunk = announced(CHUNK, at=NOW)
    for before in (chunk, failed(chunk, reason="x")):
        after = renewed(before, by_hand=False)
        assert (after.state, after.attempts, after.announced_at) == (ChunkState.STORED, 1, None)


def test_failed_chunk_is_overdue_while_it_has_attempts_left() -> None:
    later = NOW + timedelta(minutes=1)
    chunk = failed(announced(CHUNK, at=NOW), reason="x")
    assert is_overdue(chunk, before=later, reannounce_limit=1)
    assert not is_overdue(chunk, before=NOW, reannounce_limit=1)
    assert not is_given_up(chunk, reannounce_limit=1)
    for given_up, limit in ((chunk, 0), (failed(CHUNK, reason="x"), 1), (lost(chunk, reason="x"), 1)):
        assert not is_overdue(given_up, before=later, reannounce_limit=limit)
        assert is_given_up(given_up, reannounce_limit=limit)


def test_only_failed_chunks_are_given_up() -> None:
    for state in ChunkState:
        assert is_given_up(chunk_in(state), reannounce_limit=3) == (state is ChunkState.FAILED)


def test_overdue_counts_from_the_last_report() -> None:
    chunk = relayed(announced(CHUNK, at=NOW), evidence={}, at=NOW + timedelta(minutes=5))
    assert not is_overdue(chunk, before=NOW + timedelta(minutes=5), reannounce_limit=3)
    assert is_overdue(chunk, before=NOW + timedelta(minutes=6), reannounce_limit=3)
    assert is_overdue(announced(CHUNK, at=NOW), before=NOW + timedelta(minutes=1), reannounce_limit=3)
    for state in (ChunkState.STORED, ChunkState.LANDED, ChunkState.FAILED):
        assert not is_overdue(chunk_in(state), before=NOW + timedelta(days=1), reannounce_limit=3)


def test_upload_that_is_announced_again_has_neither_landed_nor_been_announced() -> None:
    failed_before = summarised(UPLOAD, {ChunkState.FAILED: 3}, first_error="chunk 1: x", at=NOW)
    assert (failed_before.state, failed_before.announced_at) == (UploadState.FAILED, None)
    again = summarised(failed_before, {ChunkState.STORED: 3}, first_error=None, at=NOW)
    assert (again.state, again.error, again.announced_at, again.landed_at) == (UploadState.CHUNKED, None, None, None)


def test_upload_keeps_its_first_timestamps() -> None:
    announced_upload = summarised(UPLOAD, {ChunkState.ANNOUNCED: 3}, first_error=None, at=NOW)
    later = NOW + timedelta(minutes=1)
    landed_upload = summarised(announced_upload, {ChunkState.LANDED: 3}, first_error=None, at=later)
    assert (landed_upload.announced_at, landed_upload.landed_at) == (NOW, later)
    cleaned_upload = summarised(landed_upload, {ChunkState.CLEANED: 3}, first_error=None, at=later + timedelta(days=1))
    assert cleaned_upload == landed_upload
