"""The rows of resumable uploads: one for each idempotency key of an owner, as long as it is not finished."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import pytest

from tests.support.uploader.uploads import SettableClock, cut_options
from uploader.domain.resumable_upload import ResumableState, ResumableUpload, dump_options
from uploader.errors import DatabaseConstraintError
from uploader.store.store import Store, open_store

STORES = 4


@pytest.fixture
def wanted(clock: SettableClock) -> Callable[..., ResumableUpload]:
    """Give a function that describes an upload that is not stored."""

    def wanted(**given: Any) -> ResumableUpload:
        values: dict[str, Any] = {
            "upload_id": uuid.uuid4().hex,
            "state": ResumableState.RECEIVING,
            "replica": "replica-0",
            "owner": None,
            "actor_name": "nightly",
            "actor_address": "127.0.0.1",
            "dataset_name": "people",
            "options": dump_options(cut_options()),
            "filename": "people.csv",
            "length_bytes": 10,
            "sha256": None,
            "idempotency_key": "key",
            "traceparent": None,
            "created_at": clock.now,
        }
        return ResumableUpload(**{**values, **given})

    return wanted


@pytest.mark.parametrize("owner", [None, "abcd1234"])
def test_key_finds_the_unfinished_upload_of_its_owner(
    store: Store, wanted: Callable[..., ResumableUpload], owner: str | None
) -> None:
    first = wanted(owner=owner)
    assert store.resumable_uploads.create(first) is None
    second = wanted(owner=owner)
    assert store.resumable_uploads.create(second) == store.resumable_uploads.find_same_key(second) == first
    assert store.resumable_uploads.find(second.upload_id) is None
    assert second.repeats(first)
    assert store.resumable_uploads.create(wanted(owner="other123")) is None


def test_uploads_without_a_key_have_nothing_in_common(store: Store, wanted: Callable[..., ResumableUpload]) -> None:
    for _ in range(2):
        assert store.resumable_uploads.create(wanted(idempotency_key=None)) is None
    assert store.resumable_uploads.find_same_key(wanted(idempotency_key=None)) is None


@pytest.mark.parametrize("state", [state for state in ResumableState if state is not ResumableState.RECEIVING])
def test_upload_that_has_ended_releases_its_key(
    store: Store, wanted: Callable[..., ResumableUpload], clock: SettableClock, state: ResumableState
) -> None:
    for _ in range(2):
        upload = wanted()
        assert store.resumable_uploads.create(upload) is None
        store.resumable_uploads.end(upload.upload_id, state, at=clock.now)


@pytest.mark.parametrize("owner", [None, "abcd1234"])
def test_uploads_with_one_key_at_the_same_time_are_one(
    url: str, wanted: Callable[..., ResumableUpload], owner: str | None
) -> None:
    together = threading.Barrier(STORES)

    def create(each: Store) -> str:
        upload = wanted(owner=owner)
        together.wait()
        return (each.resumable_uploads.create(upload) or upload).upload_id

    with ExitStack() as stack:
        stores = [stack.enter_context(closing(open_store(url))) for _ in range(STORES)]
        with ThreadPoolExecutor(STORES) as pool:
            winners = set(pool.map(create, stores))
        assert {upload.upload_id for upload in stores[0].resumable_uploads.receiving(replica="replica-0")} == winners
    assert len(winners) == 1


@pytest.mark.parametrize("key", [None, "key"])
def test_constraint_that_nobody_knows_ends_the_attempts(
    store: Store, wanted: Callable[..., ResumableUpload], execute: Callable[[str], None], key: str | None
) -> None:
    execute("CREATE UNIQUE INDEX an_operators_own ON resumable_uploads (filename)")
    assert store.resumable_uploads.create(wanted(idempotency_key=None)) is None
    with pytest.raises(DatabaseConstraintError):
        store.resumable_uploads.create(wanted(idempotency_key=key))


@pytest.mark.parametrize("unknown", ["0" * 32, "nul\x00byte", "../etc", "\ufffd"])
def test_unknown_id_finds_nothing(store: Store, unknown: str) -> None:
    assert store.resumable_uploads.find(unknown) is None
