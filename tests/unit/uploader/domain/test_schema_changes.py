"""Changes between two headers."""

from __future__ import annotations

import pytest

from uploader.domain.schema_changes import ColumnChanges


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("a b c", "a b c", ([], [], False)),
        ("a b c", "a c b", ([], [], True)),
        ("a b c", "x a c y", (["x", "y"], ["b"], False)),
        ("a b c", "c x a", (["x"], ["b"], True)),
        ("a a b", "a b b", (["b"], ["a"], False)),
        ("a", "A", (["A"], ["a"], False)),
    ],
)
def test_columns_that_were_added_removed_and_moved(
    before: str, after: str, expected: tuple[list[str], list[str], bool]
) -> None:
    changes = ColumnChanges.between(before.split(), after.split())
    assert (changes.added, changes.removed, changes.reordered) == expected
    assert bool(changes) is (before != after)
