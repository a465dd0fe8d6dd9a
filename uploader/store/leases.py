"""Leases: rows that give one of several workers the exclusive right to a task, for a limited time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Engine, and_, delete, insert, or_, select, update

from uploader.store.constraints import store_or_find
from uploader.store.engine import reading, writing
from uploader.store.tables import leases

CLOCK_SLACK = timedelta(seconds=5)
"""How far ahead of this process's clock another's may be."""


class LeaseStore:
    """Leases by name. The clocks of the workers that share one must agree to within seconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def take(self, name: str, *, owner: str, lease_for: timedelta, now: datetime) -> bool:
        """Take or extend a lease; return False if another owner holds it.

        A lease that ends later than a new one would is void: the clock was set back since it was taken.

        Raises:
            DatabaseConstraintError: the database refuses it for another reason.
        """
        values = {"owner": owner, "until": now + lease_for}
        query = select(
            leases.c.owner, leases.c.until, has_expired(leases.c.until, now=now, length=lease_for).label("expired")
        ).where(leases.c.name == name)
        with reading(self._engine) as connection:
            found = connection.execute(query).one_or_none()
        if found is not None and found.owner != owner and not found.expired:
            return False
        if found is None:
            return self._insert(name, values)
        # As it was read: no row matches if another worker was faster.
        unchanged = and_(leases.c.name == name, leases.c.owner == found.owner, leases.c.until == found.until)
        with writing(self._engine) as connection:
            return connection.execute(update(leases).where(unchanged).values(values)).rowcount > 0

    def release(self, name: str, *, owner: str) -> None:
        """Release a lease if ``owner`` holds it."""
        with writing(self._engine) as connection:
            connection.execute(delete(leases).where(leases.c.name == name, leases.c.owner == owner))

    def _insert(self, name: str, values: dict[str, Any]) -> bool:
        """Store a new lease; return False if another worker was faster."""

        def store() -> None:
            with writing(self._engine) as connection:
                connection.execute(insert(leases), {"name": name, **values})

        def find_owner() -> str | None:
            with reading(self._engine) as connection:
                return connection.execute(select(leases.c.owner).where(leases.c.name == name)).scalar()

        return store_or_find(store, find_owner, what=f"lease {name}") is None


def has_expired(until: Column[datetime], *, now: datetime, length: timedelta) -> ColumnElement[bool]:
    """Return whether a claim or lease has expired, or ends later than one that is taken now could."""
    return or_(until <= now, until > now + length + CLOCK_SLACK)
