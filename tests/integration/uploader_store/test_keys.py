"""Keys, and the datasets that they may see, in both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from contracts.permissions import Permission
from tests.support.uploader.stored_uploads import CLAIM_FOR
from tests.support.uploader.uploads import SettableClock, upload_records
from uploader.access.api_key import ApiKey
from uploader.access.audit import SYSTEM
from uploader.access.dataset_patterns import matches
from uploader.domain.records import UploadRecord
from uploader.errors import DatabaseConstraintError, UploadNotFoundError
from uploader.store.claims import Claim
from uploader.store.store import Store
from uploader.store.uploads import UploadQuery

DATASETS = ["sales", "Sales", "sales_eu", "salesXeu", "sales.eu", "a-b", "a_b", "aXb", "eu_sales"]
PATTERNS = ["*", "sales", "sales*", "sales_*", "*_sales", "*s*_*", "a_b", "a*b", "s*s", "*.eu", "nothing", "**"]


def _key(key_id: str, *, created_at: datetime) -> ApiKey:
    return ApiKey(
        key_id=key_id,
        secret_sha256="0" * 64,
        name="nightly",
        permissions=frozenset({Permission.UPLOAD}),
        datasets=("*",),
        created_at=created_at,
    )


def test_database_shows_the_datasets_that_match(store: Store, create: Callable[..., UploadRecord]) -> None:
    stored = {name: create(dataset_name=name).upload_id for name in DATASETS}
    for patterns in [[each] for each in PATTERNS] + [["a_b", "sales_*"], []]:
        visible = {name for name in DATASETS if matches(patterns, name)}
        page = store.uploads.list_page(UploadQuery(limit=100, datasets=patterns))
        assert {upload.dataset_name for upload, _ in page} == visible, patterns
        found = store.uploads.find_many(stored.values(), datasets=patterns)
        assert {upload.dataset_name for upload in found.values()} == visible, patterns
        for name, upload_id in stored.items():
            if name in visible:
                assert store.chunks.read(upload_id, datasets=patterns)[0].dataset_name == name
                continue
            with pytest.raises(UploadNotFoundError):
                store.chunks.read(upload_id, datasets=patterns)


@pytest.mark.parametrize("owner", [None, "abcd1234"])
def test_idempotency_key_is_unique_for_each_owner(store: Store, clock: SettableClock, owner: str | None) -> None:
    def store_again(owner: str | None) -> UploadRecord | None:
        upload, chunks = upload_records(at=clock.now, key="retry", owner=owner)
        return store.uploads.create(upload, chunks, claim=Claim.new(upload.upload_id), claim_for=CLAIM_FOR)

    assert store_again(owner) is None
    first = store_again(owner)
    assert first is not None
    assert first.owner == owner
    assert store_again("other123") is None


def test_constraint_that_nobody_knows_is_not_taken_for_a_key_that_exists(
    store: Store, clock: SettableClock, execute: Callable[[str], None]
) -> None:
    execute("CREATE UNIQUE INDEX an_operators_own ON api_keys (name)")
    assert store.keys.create(_key("abcd1234", created_at=clock.now), actor=SYSTEM)
    assert not store.keys.create(_key("abcd1234", created_at=clock.now), actor=SYSTEM)
    with pytest.raises(DatabaseConstraintError):
        store.keys.create(_key("efgh5678", created_at=clock.now), actor=SYSTEM)


def test_revoked_key_still_counts_as_one(store: Store, clock: SettableClock) -> None:
    assert not store.keys.has_any()
    key = _key("abcd1234", created_at=clock.now)
    assert store.keys.create(key, actor=SYSTEM)
    store.keys.revoke("abcd1234", at=clock.now, actor=SYSTEM)
    assert store.keys.has_any()
