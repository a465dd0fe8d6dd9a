"""The clock of this machine, compared with that of a service."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from csvpipe.doctor.finding import Finding, Findings, Verdict

NOTABLE_S = 30
REFUSED_S = 300
"""Amazon refuses requests that are signed 5 minutes off (MSK), or 15 (S3)."""


def compare_clock(date: str | None) -> Findings:
    """Give the difference from the ``Date`` header of a response that has just arrived; nothing without one."""
    if date is None:
        return
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    off_s = (datetime.now(UTC) - theirs).total_seconds()
    if abs(off_s) < NOTABLE_S:
        yield Finding("clock", Verdict.OK, f"differs by less than {NOTABLE_S} s")
        return
    way = "ahead of" if off_s > 0 else "behind"
    yield Finding(
        "clock",
        Verdict.WARNING if abs(off_s) < REFUSED_S else Verdict.FAILED,
        f"the clock here is {abs(off_s):.0f} s {way} the service's",
        "set both clocks by NTP: signed requests and the expiry of keys depend on them",
    )
