"""API keys in the database."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, Connection, Engine, Row, insert, or_, select, update

from contracts.audit import AuditAction
from contracts.permissions import Permission
from uploader.access.api_key import ApiKey
from uploader.access.audit import Actor, AuditEvent
from uploader.access.errors import KeyNotFoundError, KeyRevokedError
from uploader.store.audit import AuditStore
from uploader.store.constraints import store_or_find
from uploader.store.engine import reading, writing
from uploader.store.rows import id_batches
from uploader.store.tables import api_keys

_COLUMNS: list[Column[Any]] = [api_keys.c[field.name] for field in fields(ApiKey)]


class KeyStore:
    """API keys. A revoked key keeps its row: uploads and audit records name it."""

    def __init__(self, engine: Engine, audit: AuditStore) -> None:
        self._engine = engine
        self._audit = audit

    def find(self, key_id: str) -> ApiKey | None:
        """Return one key."""
        with reading(self._engine) as connection:
            row = connection.execute(select(*_COLUMNS).where(api_keys.c.key_id == key_id)).one_or_none()
        return None if row is None else _key_of(row)

    def find_many(self, key_ids: Collection[str]) -> dict[str, ApiKey]:
        """Return the keys that there are, by id."""
        found: dict[str, ApiKey] = {}
        with reading(self._engine) as connection:
            for ids in id_batches(list(key_ids)):
                rows = connection.execute(select(*_COLUMNS).where(api_keys.c.key_id.in_(ids)))
                found |= {row.key_id: _key_of(row) for row in rows}
        return found

    def has_any(self) -> bool:
        """Return whether there is a key, revoked or not."""
        with reading(self._engine) as connection:
            return connection.execute(select(api_keys.c.key_id).limit(1)).first() is not None

    def list_all(self) -> list[ApiKey]:
        """Return all keys, the oldest first."""
        query = select(*_COLUMNS).order_by(api_keys.c.created_at, api_keys.c.key_id)
        with reading(self._engine) as connection:
            return [_key_of(row) for row in connection.execute(query)]

    def create(self, key: ApiKey, *, actor: Actor) -> bool:
        """Store a new key; return False if its id is taken.

        Raises:
            DatabaseConstraintError: the database refuses the key for another reason.
        """
        values = {field.name: getattr(key, field.name) for field in fields(key)}
        values |= {"permissions": sorted(key.permissions), "datasets": list(key.datasets)}

        def store() -> None:
            with writing(self._engine) as connection:
                connection.execute(insert(api_keys), values)
                self._audit.append(connection, _event(AuditAction.CREATE_KEY, key, actor))

        return store_or_find(store, lambda: self.find(key.key_id), what=f"key {key.key_id}") is None

    def revoke(self, key_id: str, *, at: datetime, actor: Actor) -> ApiKey:
        """Revoke a key; repeating it changes nothing.

        Raises:
            KeyNotFoundError: there is no key with this id.
        """
        with writing(self._engine) as connection:
            key = _lock(connection, key_id)
            if key.revoked_at is not None:
                return key
            connection.execute(update(api_keys).where(api_keys.c.key_id == key_id).values(revoked_at=at))
            self._audit.append(connection, _event(AuditAction.REVOKE_KEY, key, actor))
            return replace(key, revoked_at=at)

    def rotate(
        self, key_id: str, *, secret_sha256: str, at: datetime, previous_until: datetime, actor: Actor
    ) -> ApiKey:
        """Replace the secret of a key, whose present one stays valid until ``previous_until``.

        Raises:
            KeyNotFoundError: there is no key with this id.
            KeyRevokedError: it is revoked or has expired.
        """
        with writing(self._engine) as connection:
            key = _lock(connection, key_id)
            if key.revoked_at is not None or key.is_expired(at):
                raise KeyRevokedError(f"key {key_id} is revoked or has expired: create a new one", key_id=key_id)
            changed: dict[str, Any] = {"secret_sha256": secret_sha256, "previous_sha256": None, "previous_until": None}
            if previous_until > at:
                changed |= {"previous_sha256": key.secret_sha256, "previous_until": previous_until}
            connection.execute(update(api_keys).where(api_keys.c.key_id == key_id).values(changed))
            self._audit.append(connection, _event(AuditAction.ROTATE_KEY, key, actor))
            return replace(key, **changed)

    def record_use(self, key_id: str, *, on: date) -> None:
        """Record that a key was used on a day; no row is written if that is known."""
        unknown = or_(api_keys.c.last_used_on.is_(None), api_keys.c.last_used_on < on)
        with writing(self._engine) as connection:
            connection.execute(update(api_keys).where(api_keys.c.key_id == key_id, unknown).values(last_used_on=on))


def _lock(connection: Connection, key_id: str) -> ApiKey:
    """Return one key, which no other transaction can change until this one ends.

    Raises:
        KeyNotFoundError: there is no key with this id.
    """
    query = select(*_COLUMNS).where(api_keys.c.key_id == key_id).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise KeyNotFoundError(f"there is no key {key_id[:64]!r}", key_id=key_id[:64])
    return _key_of(row)


def _event(action: AuditAction, key: ApiKey, actor: Actor) -> AuditEvent:
    rights = f"{', '.join(sorted(key.permissions))} on {', '.join(key.datasets)}"
    return AuditEvent(action=action, actor=actor, detail=f"key {key.key_id}, {key.name}: {rights}")


def _key_of(row: Row[Any]) -> ApiKey:
    values = dict(row._mapping)
    values["permissions"] = frozenset(map(Permission, values["permissions"]))
    values["datasets"] = tuple(values["datasets"])
    return ApiKey(**values)
