from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from contracts.errors import InvalidDatasetNameError
from contracts.names import check_dataset_name, chunk_filename, manifest_key, object_key, object_url, timestamp


@pytest.mark.parametrize("name", ["a", "A_b-c.9", "x" * 128, "..a", "_manifests_"])
def test_dataset_names_within_the_rule_pass(name: str) -> None:
    assert check_dataset_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 129, ".", "..", "a/b", "a b", "é", "a\n", "a\x00", "٣"])
def test_other_dataset_names_are_refused_with_the_rule(name: str) -> None:
    with pytest.raises(InvalidDatasetNameError, match="1 to 128 characters"):
        check_dataset_name(name)


def test_chunk_names_sort_by_chunk_and_hold_utc() -> None:
    moment = datetime(2026, 1, 31, 23, 59, 59, 5, tzinfo=timezone(timedelta(hours=7)))
    assert timestamp(moment) == "20260131T165959000005Z"
    assert chunk_filename("flights", 7, timestamp(datetime(2026, 1, 1, tzinfo=UTC))) == (
        "flights_chunk_007_20260101T000000000000Z.csv"
    )


def test_objects_lie_under_their_dataset() -> None:
    assert object_key("flights", "f.csv") == "flights/f.csv"
    assert manifest_key("flights", "0" * 32) == f"flights/_manifests/{'0' * 32}.json"
    assert object_url("raw", "flights/f.csv") == "s3://raw/flights/f.csv"
