"""What a key has left of its limits, and how the headers say so."""

from __future__ import annotations

import pytest

from uploader.access.rate_limit_headers import rate_limit_headers
from uploader.access.upload_limits import UploadLimits, UploadUsage

TEN = UploadLimits(per_minute=10, at_once=4)
SECOND_US = 1_000_000


@pytest.mark.parametrize(
    ("backlog_s", "available", "next_unit_s"),
    [(0, 10, 0), (0.5, 9, 1), (6, 9, 6), (6.5, 8, 1), (54, 1, 6), (54.1, 0, 1), (60, 0, 6), (64, 0, 10)],
)
def test_units_come_back_one_after_the_other(backlog_s: float, available: int, next_unit_s: int) -> None:
    usage = UploadUsage(limits=TEN, backlog_us=int(backlog_s * SECOND_US), running=0)
    assert (usage.available, usage.next_unit_s) == (available, next_unit_s)


def test_headers_name_both_policies_and_what_is_left() -> None:
    usage = UploadUsage(limits=TEN, backlog_us=13 * SECOND_US, running=3)
    assert rate_limit_headers(usage) == {
        "RateLimit-Policy": '"uploads";q=10;w=60, "uploads-at-once";q=4;qu="concurrent-requests"',
        "RateLimit": '"uploads";r=7;t=1, "uploads-at-once";r=1',
    }


def test_headers_leave_out_what_is_not_limited() -> None:
    no_rate = UploadUsage(limits=UploadLimits(per_minute=0, at_once=1), backlog_us=0, running=2)
    assert rate_limit_headers(no_rate) == {
        "RateLimit-Policy": '"uploads-at-once";q=1;qu="concurrent-requests"',
        "RateLimit": '"uploads-at-once";r=0',
    }
    assert rate_limit_headers(UploadUsage(limits=UploadLimits(per_minute=0, at_once=0), backlog_us=0, running=0)) == {}
