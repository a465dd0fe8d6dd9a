"""Leases: rows that let one worker of several do a job, for a time."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, insert, or_, update
from sqlalchemy.exc import IntegrityError

from uploader.store.engine import writing
from uploader.store.tables import leases


class LeaseTable:
    """Leases in a table. The clocks of workers that share one must agree to within the lease's length."""

    def __init__(self, engine: Engine) -> None:
        self._leases_engine = engine

    def take_lease(self, name: str, *, owner: str, lease_for: timedelta, now: datetime) -> bool:
        """Take or prolong a lease; False where another owner holds it."""
        values = {"owner": owner, "until": now + lease_for}
        ours_or_over = or_(leases.c.owner == owner, leases.c.until <= now)
        try:
            with writing(self._leases_engine) as connection:
                taken = connection.execute(update(leases).where(leases.c.name == name, ours_or_over).values(values))
                if taken.rowcount:
                    return True
                connection.execute(insert(leases), {"name": name, **values})
        except IntegrityError:
            return False  # the row is there, and another's
        else:
            return True

    def drop_lease(self, name: str, *, owner: str) -> None:
        """Give a lease back, if it is ours."""
        with writing(self._leases_engine) as connection:
            connection.execute(delete(leases).where(leases.c.name == name, leases.c.owner == owner))
