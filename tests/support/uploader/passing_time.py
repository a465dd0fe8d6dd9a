"""Time that passes for the limits of keys, whose clock is that of the database."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import BigInteger, literal, update

from uploader.store import admissions
from uploader.store.engine import open_engine, writing
from uploader.store.tables import rate_limits, upload_slots


def stop_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock for the limits of keys in this process, so that only :func:`pass_time` makes time pass."""
    now_us = literal(time.time_ns() // 1_000, BigInteger())
    monkeypatch.setattr(admissions, "database_now_us", lambda: now_us)


def pass_time(url: str, *, seconds: float) -> None:
    """Make everything that the limits have stored older by ``seconds``; a negative number sets the clock back."""
    passed_us = int(seconds * 1_000_000)
    engine = open_engine(url)
    with writing(engine) as connection:
        connection.execute(update(rate_limits).values(full_us=rate_limits.c.full_us - passed_us))
        connection.execute(update(upload_slots).values(until_us=upload_slots.c.until_us - passed_us))
    engine.dispose()
