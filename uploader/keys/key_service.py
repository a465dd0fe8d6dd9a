"""Creating, showing, revoking and rotating API keys."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from contracts.api import Key, KeyList, KeyWithSecret, NewKey
from uploader.access.api_key import ApiKey
from uploader.access.audit import Actor
from uploader.access.errors import KeyExistsError, KeyNotFoundError
from uploader.access.key_text import KeyText
from uploader.errors import InvalidFieldError
from uploader.runtime.clock import Clock
from uploader.store.keys import KeyStore

_log = logging.getLogger(__name__)


class KeyService:
    """The keys of the database. Calls block.

    ``fixed_ids`` are those of the keys in the settings, which no key of the database may have: audit records and limits
    name keys by their id.
    """

    def __init__(self, *, keys: KeyStore, clock: Clock, fixed_ids: Collection[str] = ()) -> None:
        self._keys = keys
        self._clock = clock
        self._fixed_ids = fixed_ids

    def create(self, wanted: NewKey, *, actor: Actor) -> KeyWithSecret:
        """Make a key, whose secret is in this answer only, or register the given one; repeating that changes nothing.

        Raises:
            InvalidFieldError: it would have expired already.
            KeyExistsError: the given key has the id of another one, also of one in the settings, has other rights, or
                is revoked.
        """
        now = self._clock()
        if wanted.expires_at is not None and wanted.expires_at <= now:
            raise InvalidFieldError(f"expires_at must be in the future, got {wanted.expires_at}", field="expires_at")
        given = None if wanted.key is None else KeyText.parse(wanted.key)
        if given is not None and given.key_id in self._fixed_ids:
            raise KeyExistsError(
                f"{given.key_id} is the id of a key in ADMIN_KEY or RELAY_KEY: generate another one",
                key_id=given.key_id,
            )
        while True:
            text = given or KeyText.generate()
            key = _new_key(wanted, text, created_at=now)
            if key.key_id not in self._fixed_ids and self._keys.create(key, actor=actor):
                _log.info("Key created", extra={"key_id": key.key_id})
                return _with_secret(key, text)
            if given is not None:  # the id is taken; for a generated key try another one
                return _with_secret(self._find_same(key), text)

    def _find_same(self, wanted: ApiKey) -> ApiKey:
        found = self._keys.find(wanted.key_id)
        same = None if found is None else replace(wanted, created_at=found.created_at, last_used_on=found.last_used_on)
        if found is None or found != same:
            raise KeyExistsError(
                f"there is a key {wanted.key_id} already, with another secret or other rights, or revoked: generate "
                "another one",
                key_id=wanted.key_id,
            )
        return found

    def list_keys(self) -> KeyList:
        """Return all keys, the oldest first, revoked ones included."""
        return KeyList(keys=[_shown(key) for key in self._keys.list_all()])

    def show(self, key_id: str) -> Key:
        """Return one key.

        Raises:
            KeyNotFoundError: there is no key with this id.
        """
        key = self._keys.find(key_id)
        if key is None:
            raise KeyNotFoundError(f"there is no key {key_id!r}", key_id=key_id)
        return _shown(key)

    def revoke(self, key_id: str, *, actor: Actor) -> Key:
        """Revoke a key, which every worker refuses within seconds; repeating it changes nothing.

        Raises:
            KeyNotFoundError: there is no key with this id.
        """
        key = self._keys.revoke(key_id, at=self._clock(), actor=actor)
        _log.info("Key revoked", extra={"key_id": key_id})
        return _shown(key)

    def rotate(self, key_id: str, *, grace: timedelta, actor: Actor) -> KeyWithSecret:
        """Give a key a new secret; the present one stays valid for ``grace``.

        Raises:
            KeyNotFoundError: there is no key with this id.
            KeyRevokedError: it is revoked or has expired.
        """
        now = self._clock()
        text = KeyText.generate(key_id)
        key = self._keys.rotate(
            key_id, secret_sha256=text.secret_sha256, at=now, previous_until=now + grace, actor=actor
        )
        _log.info("Key rotated", extra={"key_id": key_id, "grace_s": grace.total_seconds()})
        return _with_secret(key, text)


def _new_key(wanted: NewKey, text: KeyText, *, created_at: datetime) -> ApiKey:
    return ApiKey(
        key_id=text.key_id,
        secret_sha256=text.secret_sha256,
        name=wanted.name,
        permissions=frozenset(wanted.permissions),
        datasets=tuple(wanted.datasets),
        uploads_per_minute=wanted.uploads_per_minute,
        concurrent_uploads=wanted.concurrent_uploads,
        max_file_size_mb=wanted.max_file_size_mb,
        created_at=created_at,
        expires_at=wanted.expires_at,
    )


def _shown(key: ApiKey) -> Key:
    return Key(**_fields(key))


def _with_secret(key: ApiKey, text: KeyText) -> KeyWithSecret:
    return KeyWithSecret(**_fields(key), key=text.text)


def _fields(key: ApiKey) -> dict[str, object]:
    return {name: getattr(key, name) for name in Key.model_fields} | {
        "permissions": sorted(key.permissions),
        "datasets": list(key.datasets),
    }
