"""Leases: rows that let one worker of several do a job, for a time."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Engine, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from uploader.store.engine import reading, writing
from uploader.store.tables import leases
from uploader.store.timestamps import is_over


class LeaseTable:
    """Leases in a table. The clocks of workers that share one must agree to within seconds."""

    def __init__(self, engine: Engine) -> None:
        self._leases_engine = engine

    def take_lease(self, name: str, *, owner: str, lease_for: timedelta, now: datetime) -> bool:
        """Take or prolong a lease; False where another owner holds it.

        One that ends later than a lease that is taken now is void: the clock has been put back.
        """
        values = {"owner": owner, "until": now + lease_for}
        query = select(
            leases.c.owner, leases.c.until, is_over(leases.c.until, now=now, length=lease_for).label("over")
        ).where(leases.c.name == name)
        with reading(self._leases_engine) as connection:
            found = connection.execute(query).one_or_none()
        if found is not None and found.owner != owner and not found.over:
            return False
        try:
            with writing(self._leases_engine) as connection:
                if found is None:
                    connection.execute(insert(leases), {"name": name, **values})
                    return True
                # As it was read: where another was faster, its row is a new one, and no row matches.
                unchanged = and_(leases.c.name == name, leases.c.owner == found.owner, leases.c.until == found.until)
                return connection.execute(update(leases).where(unchanged).values(values)).rowcount > 0
        except IntegrityError:
            return False  # another was faster

    def drop_lease(self, name: str, *, owner: str) -> None:
        """Give a lease back, if it is ours."""
        with writing(self._leases_engine) as connection:
            connection.execute(delete(leases).where(leases.c.name == name, leases.c.owner == owner))
