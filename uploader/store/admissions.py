"""Admissions: what each key has used of its limits, exact across the workers of all replicas.

A key has one row, and an admission is one statement on it, which also locks it: uploads of one key are admitted one
after the other, those of different keys do not wait for each other (on SQLite, every writer waits for every other).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, Engine, Select, and_, case, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from uploader.access.upload_limits import WINDOW_US, UploadLimits, UploadUsage
from uploader.store.database_clock import database_now_us
from uploader.store.engine import reading, writing
from uploader.store.leases import CLOCK_SLACK
from uploader.store.rows import id_batches
from uploader.store.tables import rate_limits, upload_slots

SLOT_LEASE_S = 30
"""How long the slot of an upload stays taken after its worker was killed."""
_SLOT_LEASE_US = SLOT_LEASE_S * 1_000_000
_SLACK_US = int(CLOCK_SLACK.total_seconds() * 1_000_000)
_LATEST_FULL_US = WINDOW_US + _SLACK_US
_LATEST_UNTIL_US = _SLOT_LEASE_US + _SLACK_US
"""What is further in the future than these is void: the clock was set back since it was written."""


class Limit(StrEnum):
    """A limit that refuses an upload."""

    RATE = "rate"
    AT_ONCE = "at once"


@dataclass(frozen=True, kw_only=True)
class Admission:
    """The answer to an upload that wants to start."""

    usage: UploadUsage
    refused_by: Limit | None


class AdmissionStore:
    """The units and slots of keys."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert

    def admit(self, key_id: str, *, slot_id: str, limits: UploadLimits) -> Admission:
        """Take a unit and a slot, or neither.

        Args:
            key_id: the key.
            slot_id: a new id for the slot, which lasts for :data:`SLOT_LEASE_S` unless it is renewed.
            limits: those of the key.
        """
        try:
            with writing(self._engine) as connection:
                if not self._take_unit(connection, key_id, limits):
                    return Admission(usage=_read_usage(connection, key_id, limits), refused_by=Limit.RATE)
                _take_slot(connection, key_id, slot_id, limits)
                return Admission(usage=_read_usage(connection, key_id, limits), refused_by=None)
        except _NoFreeSlotError:  # which gives the unit back: the transaction was rolled back
            return Admission(usage=self.usage(key_id, limits), refused_by=Limit.AT_ONCE)

    def usage(self, key_id: str, limits: UploadLimits) -> UploadUsage:
        """Return what the key has used."""
        with reading(self._engine) as connection:
            return _read_usage(connection, key_id, limits)

    def release(self, key_id: str, *, slot_id: str, limits: UploadLimits, refunds: bool = False) -> UploadUsage:
        """Release a slot, give its unit back if ``refunds`` is set, and return what the key has used now."""
        with writing(self._engine) as connection:
            connection.execute(delete(upload_slots).where(upload_slots.c.slot_id == slot_id))
            if refunds:
                earlier_us = rate_limits.c.full_us - limits.interval_us
                connection.execute(update(rate_limits).where(rate_limits.c.key_id == key_id).values(full_us=earlier_us))
            return _read_usage(connection, key_id, limits)

    def renew(self, slot_ids: Collection[str]) -> None:
        """Extend the leases of slots. A slot that has expired and was removed stays removed."""
        until_us = database_now_us() + _SLOT_LEASE_US
        with writing(self._engine) as connection:
            for ids in id_batches(sorted(slot_ids)):
                this = upload_slots.c.slot_id.in_(ids)
                connection.execute(update(upload_slots).where(this).values(until_us=until_us))

    def _take_unit(self, connection: Connection, key_id: str, limits: UploadLimits) -> bool:
        """Take a unit of the rate, if there is one. The row of the key is locked from here on."""
        now_us, full_us = database_now_us(), rate_limits.c.full_us
        is_void = full_us > now_us + _LATEST_FULL_US
        started = self._insert(rate_limits).values(key_id=key_id, full_us=now_us + limits.interval_us)
        taken = started.on_conflict_do_update(
            index_elements=[rate_limits.c.key_id],
            set_={"full_us": case((or_(full_us <= now_us, is_void), now_us), else_=full_us) + limits.interval_us},
            where=or_(full_us <= now_us + _latest_admissible_us(limits), is_void),
        ).returning(rate_limits.c.key_id)
        return connection.execute(taken).first() is not None


def _latest_admissible_us(limits: UploadLimits) -> int:
    """Return how far in the future all units of a key may be back if one is left now."""
    return (limits.per_minute - 1) * limits.interval_us if limits.per_minute else _LATEST_FULL_US


class _NoFreeSlotError(Exception):
    """Rolls the transaction back."""


def _take_slot(connection: Connection, key_id: str, slot_id: str, limits: UploadLimits) -> None:
    """Take a slot, if the number of uploads at once is limited. The row of the key must be locked."""
    if not limits.at_once:
        return
    now_us = database_now_us()
    connection.execute(delete(upload_slots).where(upload_slots.c.key_id == key_id, upload_slots.c.until_us <= now_us))
    if connection.execute(_count_running(key_id)).scalar_one() >= limits.at_once:
        raise _NoFreeSlotError
    connection.execute(insert(upload_slots).values(slot_id=slot_id, key_id=key_id, until_us=now_us + _SLOT_LEASE_US))


def _count_running(key_id: str) -> Select[int]:
    until_us, now_us = upload_slots.c.until_us, database_now_us()
    is_taken = and_(until_us > now_us, until_us <= now_us + _LATEST_UNTIL_US)
    return select(func.count()).select_from(upload_slots).where(upload_slots.c.key_id == key_id, is_taken)


def _read_usage(connection: Connection, key_id: str, limits: UploadLimits) -> UploadUsage:
    backlog_us = connection.execute(
        select(rate_limits.c.full_us - database_now_us()).where(rate_limits.c.key_id == key_id)
    ).scalar()
    if backlog_us is None or not 0 <= backlog_us <= _LATEST_FULL_US:
        backlog_us = 0
    return UploadUsage(
        limits=limits, backlog_us=backlog_us, running=connection.execute(_count_running(key_id)).scalar_one()
    )
