"""The check of how often chunks were announced."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext

import pytest

from tests.support.uploader.announcements import assert_announced

ONE, OTHER = "a" * 32, "b" * 32


@pytest.mark.parametrize(
    ("found", "is_right"),
    [
        ({(ONE, 1): 1, (ONE, 2): 1, (OTHER, 1): 1, (OTHER, 2): 1}, True),
        ({(ONE, 1): 2, (ONE, 2): 1, (OTHER, 1): 1, (OTHER, 2): 1}, True),
        ({(ONE, 1): 3, (ONE, 2): 1, (OTHER, 1): 1, (OTHER, 2): 1}, False),
        ({(ONE, 1): 1, (ONE, 2): 1, (OTHER, 1): 2, (OTHER, 2): 1}, False),
        ({(ONE, 1): 1, (ONE, 2): 1, (OTHER, 1): 1}, False),
    ],
)
def test_only_what_was_not_acknowledged_may_be_there_twice(found: dict[tuple[str, int], int], is_right: bool) -> None:
    log = (
        f"2026-01-31T12:00:00.000Z WARNING uploader.uploads.outbox: Upload not announced yet upload_id={ONE} error=x\n"
    )
    with nullcontext() if is_right else pytest.raises(AssertionError):
        assert_announced(Counter(found), {ONE, OTHER}, chunks=2, log=log)
