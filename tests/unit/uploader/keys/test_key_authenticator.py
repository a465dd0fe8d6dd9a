"""Keys over time: used, rotated, expired and revoked, in several workers on one database."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from starlette.datastructures import Headers

from contracts.api import NewKey
from contracts.permissions import Permission
from tests.support.uploader.access import bearer
from tests.support.uploader.key_queries import counted_key_queries
from tests.support.uploader.uploads import ACTOR, SettableClock
from uploader.access.errors import KeyExistsError, KeyRevokedError, UnauthenticatedError
from uploader.access.fixed_keys import fixed_keys
from uploader.access.key_text import KeyText
from uploader.access.principal import Principal
from uploader.errors import ManifestUnavailableError
from uploader.keys.key_authenticator import CACHE_S, KeyAuthenticator
from uploader.keys.key_service import KeyService
from uploader.settings import load_settings
from uploader.store.audit import AuditQuery
from uploader.store.store import Store


class Worker:
    """One worker process of the uploader, with a cache of its own."""

    def __init__(self, store: Store, clock: SettableClock, **settings: Any) -> None:
        self.now_s = 0.0
        fixed = fixed_keys(load_settings(**settings))
        self._authenticator = KeyAuthenticator(keys=store.keys, fixed=fixed, clock=clock, monotonic=lambda: self.now_s)

    def ask(self, key: str) -> Principal:
        return asyncio.run(self._authenticator.authenticate(Headers(bearer(key))))

    def ask_together(self, *keys: str) -> list[Principal | BaseException]:
        async def ask() -> list[Principal | BaseException]:
            asked = [self._authenticator.authenticate(Headers(bearer(key))) for key in keys]
            return await asyncio.gather(*asked, return_exceptions=True)

        return asyncio.run(ask())

    def refuses(self, key: str) -> bool:
        with pytest.raises(UnauthenticatedError) as caught:
            self.ask(key)
        assert key.split("_", 2)[2] not in caught.value.detail
        return True


@pytest.fixture
def keys(store: Store, clock: SettableClock) -> KeyService:
    return KeyService(keys=store.keys, clock=clock)


@pytest.fixture
def worker(store: Store, clock: SettableClock) -> Worker:
    return Worker(store, clock)


def wanted(**more: object) -> NewKey:
    return NewKey.model_validate({"name": "nightly", "permissions": ["read"], "datasets": ["sales_*"], **more})


def test_revoked_key_is_dead_within_5_seconds_on_every_worker(
    store: Store, keys: KeyService, clock: SettableClock
) -> None:
    workers = [Worker(store, clock) for _ in range(3)]
    created = keys.create(wanted(), actor=ACTOR)
    assert [each.ask(created.key).name for each in workers] == ["nightly"] * 3
    keys.revoke(created.key_id, actor=ACTOR)
    for each in workers:
        assert each.ask(created.key)  # known for a moment
        each.now_s += CACHE_S
        assert each.refuses(created.key)
    assert CACHE_S < 5


def test_rotated_key_has_two_secrets_for_the_time_of_grace(
    keys: KeyService, worker: Worker, clock: SettableClock
) -> None:
    first = keys.create(wanted(), actor=ACTOR)
    worker.ask(first.key)
    second = keys.rotate(first.key_id, grace=timedelta(hours=1), actor=ACTOR)
    assert worker.ask(second.key) == worker.ask(first.key)  # at once, though the key is cached
    clock.advance(hours=1)
    assert worker.refuses(first.key)
    third = keys.rotate(first.key_id, grace=timedelta(), actor=ACTOR)
    worker.now_s += CACHE_S
    assert worker.refuses(second.key)
    assert worker.ask(third.key).key_id == first.key_id


def test_key_expires_also_while_it_is_cached(keys: KeyService, worker: Worker, clock: SettableClock) -> None:
    expires_at = clock.now + timedelta(days=1)
    key = keys.create(wanted(expires_at=expires_at.isoformat()), actor=ACTOR)
    assert worker.ask(key.key).expires_at == expires_at
    clock.advance(days=1)
    assert worker.refuses(key.key)
    with pytest.raises(KeyRevokedError):
        keys.rotate(key.key_id, grace=timedelta(), actor=ACTOR)


def test_use_is_recorded_once_a_day_and_not_by_a_wrong_secret(
    keys: KeyService, worker: Worker, clock: SettableClock
) -> None:
    key = keys.create(wanted(), actor=ACTOR)
    assert worker.refuses(KeyText.generate(key.key_id).text)
    assert keys.show(key.key_id).last_used_on is None
    worker.ask(key.key)
    assert keys.show(key.key_id).last_used_on is None  # cached by the request with the wrong secret
    worker.now_s += CACHE_S
    worker.ask(key.key)
    assert keys.show(key.key_id).last_used_on == clock.now.date()


def test_given_key_is_registered_once_and_its_rights_are_not_changed(keys: KeyService, worker: Worker) -> None:
    text = KeyText.generate().text
    created = keys.create(wanted(key=text), actor=ACTOR)
    assert created.key == text
    worker.ask(text)
    assert keys.create(wanted(key=text), actor=ACTOR).created_at == created.created_at
    for other in (wanted(key=text, permissions=["relay"]), wanted(key=KeyText.generate(created.key_id).text)):
        with pytest.raises(KeyExistsError):
            keys.create(other, actor=ACTOR)
    keys.revoke(created.key_id, actor=ACTOR)
    with pytest.raises(KeyExistsError):
        keys.create(wanted(key=text), actor=ACTOR)


def test_key_of_the_settings_keeps_its_id_for_itself(store: Store, clock: SettableClock) -> None:
    admin = KeyText.generate()
    keys = KeyService(keys=store.keys, clock=clock, fixed_ids={admin.key_id})
    for text in (admin.text, KeyText.generate(admin.key_id).text):
        with pytest.raises(KeyExistsError, match="ADMIN_KEY"):
            keys.create(wanted(key=text), actor=ACTOR)
    assert keys.list_keys().keys == []


def test_every_change_of_a_key_is_in_the_audit_records_without_its_secret(store: Store, keys: KeyService) -> None:
    created = keys.create(wanted(), actor=ACTOR)
    rotated = keys.rotate(created.key_id, grace=timedelta(), actor=ACTOR)
    keys.revoke(created.key_id, actor=ACTOR)
    records = store.audit.list_page(AuditQuery(limit=10))
    assert [each.action for each in records] == ["revoke_key", "rotate_key", "create_key"]
    assert all(created.key_id in each.detail for each in records)
    secrets = {KeyText.parse(each.key) for each in (created, rotated)}
    assert all(text is not None and text.secret not in str(records) for text in secrets)


def test_keys_of_the_settings_are_replaced_without_a_gap(store: Store, clock: SettableClock) -> None:
    old, new, relay = (KeyText.generate().text for _ in range(3))
    worker = Worker(store, clock, admin_key=f"{old}, {new}", relay_key=relay)
    assert [worker.ask(key).permissions for key in (old, new)] == [frozenset(Permission)] * 2
    assert worker.ask(relay).permissions == {Permission.RELAY, Permission.READ}
    assert Worker(store, clock, admin_key=new).refuses(old)


# Many callers


def test_callers_of_the_same_moment_share_a_query(keys: KeyService, worker: Worker) -> None:
    created = [keys.create(wanted(name=str(number)), actor=ACTOR).key for number in range(50)]
    unknown = KeyText.generate().text
    with counted_key_queries() as queries:
        *found, refused = worker.ask_together(*created, *created, unknown)
    assert [each.name for each in found if isinstance(each, Principal)] == [str(number) for number in range(50)] * 2
    assert isinstance(refused, UnauthenticatedError)
    [query] = queries
    assert {key.split("_")[1] for key in [*created, unknown]} == set(query)


def test_first_use_of_a_day_by_many_callers_is_written_once(
    store: Store, keys: KeyService, worker: Worker, clock: SettableClock
) -> None:
    created = keys.create(wanted(), actor=ACTOR)
    with counted_key_queries(verb="UPDATE") as updates:
        worker.ask_together(*[created.key] * 50)
    assert len(updates) == 1
    assert [each.last_used_on for each in store.keys.list_all()] == [clock.now.date()]


def test_callers_get_the_error_of_the_query_that_they_share(
    store: Store, keys: KeyService, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = keys.create(wanted(), actor=ACTOR)

    def no_answer(_: object) -> None:
        raise ManifestUnavailableError("the database does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(store.keys, "find_many", no_answer)
        answers = worker.ask_together(*[created.key] * 3)
    assert [type(each) for each in answers] == [ManifestUnavailableError] * 3
    assert worker.ask(created.key).name == "nightly"
