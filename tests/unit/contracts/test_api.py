"""What the bodies of the API accept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.api import NewKey, StateChange

KEY: dict[str, Any] = {"name": "nightly", "permissions": ["read"], "datasets": ["sales_*"]}
BEYOND = ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"]
"""Times of the years 10,000 and 0 in UTC, which no database can store."""


@pytest.mark.parametrize("moment", BEYOND)
def test_time_that_utc_cannot_name_is_refused(moment: str) -> None:
    with pytest.raises(ValidationError, match="between the years 1 and 9999 in UTC"):
        NewKey(**KEY, expires_at=moment)
    with pytest.raises(ValidationError, match="between the years 1 and 9999 in UTC"):
        StateChange(state="failed", published_at=moment)


def test_time_is_kept_in_utc() -> None:
    key = NewKey(**KEY, expires_at="2027-01-31T23:00:00-05:00")
    assert key.expires_at == datetime(2027, 2, 1, 4, tzinfo=UTC)
    assert key.expires_at.tzinfo is UTC


@pytest.mark.parametrize("limit", ["uploads_per_minute", "concurrent_uploads", "max_file_size_mb"])
def test_true_is_no_limit_of_one(limit: str) -> None:
    with pytest.raises(ValidationError, match="must be a whole number"):
        NewKey(**KEY, **{limit: True})


def test_key_that_can_create_keys_is_for_every_dataset() -> None:
    with pytest.raises(ValidationError, match="admin") as caught:
        NewKey(name="admin of sales", permissions=["read", "admin"], datasets=["sales_*"])
    assert [fault["loc"] for fault in caught.value.errors()] == [("datasets",)]
    assert NewKey(name="admin", permissions=["admin"], datasets=["*"]).datasets == ["*"]
