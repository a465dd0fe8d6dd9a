"""Group offsets of the local stack's exporter, which match those of ``danielqsj/kafka_exporter``."""

from __future__ import annotations

from stack.kafka_exporter import group_offsets

NEWEST = {("ours", 0): 10, ("ours", 1): 4, ("ours", 2): 0, ("others", 0): 7}


def test_lag_counts_messages_after_the_commit() -> None:
    found = group_offsets({("others", 0): 5}, NEWEST)
    assert found == {("others", 0): (5, 2)}


def test_partition_without_a_commit_has_minus_1() -> None:
    found = group_offsets({("ours", 0): 10}, NEWEST)
    assert found == {("ours", 0): (10, 0), ("ours", 1): (-1, -1), ("ours", 2): (-1, -1)}


def test_deleted_partition_has_a_commit_and_no_lag() -> None:
    assert group_offsets({("deleted", 0): 3}, NEWEST) == {("deleted", 0): (3, None)}


def test_group_without_commits_has_no_offsets() -> None:
    assert group_offsets({}, NEWEST) == {}
