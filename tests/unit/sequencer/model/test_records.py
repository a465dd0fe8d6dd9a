"""Records in one buffer have the values that were put in."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from sequencer.model.records import Records


@pytest.mark.parametrize("values", [[], [b""], [b"a"], [b"a", b"", b"ccc"]])
def test_records_have_the_values_that_were_put_in(values: list[bytes]) -> None:
    for records in (Records.from_values(values), Records.from_lines(b"".join(value + b"\n" for value in values))):
        assert (list(records), len(records)) == (values, len(values))
        assert (records.sizes.tolist(), records.size_bytes) == ([len(each) for each in values], len(b"".join(values)))


def test_slices_and_selections_keep_the_order() -> None:
    records = Records.from_lines(b"a\nbb\nccc\ndddd\n")
    assert list(records.slice(1, 3)) == [b"bb", b"ccc"]
    assert list(records.slice(1, 3).slice(1, 9)) == [b"ccc"]
    assert list(records.select(np.array([True, False, False, True]))) == [b"a", b"dddd"]


@pytest.mark.parametrize(
    ("sizes", "bounds"),
    [
        ([], []),
        ([0, 0, 0], [(0, 3)]),
        ([4, 4, 2, 1], [(0, 3), (3, 4)]),
        ([11, 1, 25, 10], [(0, 1), (1, 2), (2, 3), (3, 4)]),
        ([1] * 7, [(0, 3), (3, 6), (6, 7)]),
    ],
    ids=["none", "empty ones", "up to the limit", "longer than the limit", "as many as may be"],
)
def test_batches_are_as_large_as_possible_and_never_empty(sizes: list[int], bounds: list[tuple[int, int]]) -> None:
    records = Records.from_values([b"x" * size for size in sizes])
    assert list(records.batch_bounds(max_records=3, max_bytes=10)) == bounds


def test_addresses_are_those_of_the_bytes() -> None:
    records = Records.from_values([b"first", b"", b"third"]).slice(1, 3)
    found = [
        ctypes.string_at(at, size) for at, size in zip(records.addresses.tolist(), records.sizes.tolist(), strict=True)
    ]
    assert found == [b"", b"third"]
