"""What the local stack's exporter says of a group: as ``danielqsj/kafka_exporter`` does, whose place it takes."""

from __future__ import annotations

from stack.kafka_exporter import standings

NEWEST = {("ours", 0): 10, ("ours", 1): 4, ("ours", 2): 0, ("others", 0): 7}


def test_lag_is_what_lies_behind_the_commit() -> None:
    found = standings({("others", 0): 5}, NEWEST)
    assert found == {("others", 0): (5, 2)}


def test_partition_without_a_commit_of_a_topic_that_has_some_shows_minus_1() -> None:
    found = standings({("ours", 0): 10}, NEWEST)
    assert found == {("ours", 0): (10, 0), ("ours", 1): (-1, -1), ("ours", 2): (-1, -1)}


def test_partition_that_is_gone_has_a_commit_and_no_lag() -> None:
    assert standings({("deleted", 0): 3}, NEWEST) == {("deleted", 0): (3, None)}


def test_group_without_a_commit_shows_nothing() -> None:
    assert standings({}, NEWEST) == {}
