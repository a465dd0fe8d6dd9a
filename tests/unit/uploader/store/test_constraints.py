"""Rows that a constraint refuses, for a reason that is there or has gone meanwhile."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from uploader.errors import DatabaseConstraintError
from uploader.store.constraints import store_or_find


class FakeTable:
    """Refuses a row some times, and has what stands in its place or not."""

    def __init__(self, *, refusals: int, in_place: str | None = None) -> None:
        self.refusals = refusals
        self.in_place = in_place
        self.stored = 0

    def store(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise IntegrityError("INSERT", {}, Exception("constraint an_operators_own\nDETAIL: of the row"))
        self.stored += 1

    def find(self) -> str | None:
        return self.in_place


@pytest.mark.parametrize("refusals", [0, 1, 9])
def test_row_is_stored_once_what_refused_it_is_gone(refusals: int) -> None:
    table = FakeTable(refusals=refusals)
    assert store_or_find(table.store, table.find, what="row") is None
    assert table.stored == 1


def test_row_in_its_place_is_returned() -> None:
    table = FakeTable(refusals=1, in_place="first")
    assert store_or_find(table.store, table.find, what="row") == "first"
    assert table.stored == 0


def test_unknown_constraint_is_named_without_the_row() -> None:
    table = FakeTable(refusals=1_000)
    with pytest.raises(DatabaseConstraintError) as refused:
        store_or_find(table.store, table.find, what="row")
    assert "an_operators_own" in refused.value.detail
    assert "DETAIL" not in refused.value.detail
    assert table.stored == 0
