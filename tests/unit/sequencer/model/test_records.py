"""Records in one buffer are the records that were put in, whichever part of them is looked at."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from sequencer.model.records import Records


@pytest.mark.parametrize("values", [[], [b""], [b"a"], [b"a", b"", b"ccc"]])
def test_records_come_out_as_they_went_in(values: list[bytes]) -> None:
    for records in (Records.of(values), Records.of_lines(b"".join(value + b"\n" for value in values))):
        assert (list(records), len(records)) == (values, len(values))
        assert (records.sizes.tolist(), records.size_bytes) == ([len(each) for each in values], len(b"".join(values)))


def test_parts_and_choices_keep_the_order() -> None:
    records = Records.of_lines(b"a\nbb\nccc\ndddd\n")
    assert list(records.part(1, 3)) == [b"bb", b"ccc"]
    assert list(records.part(1, 3).part(1, 9)) == [b"ccc"]
    assert list(records.only(np.array([True, False, False, True]))) == [b"a", b"dddd"]


@pytest.mark.parametrize(
    ("sizes", "spans"),
    [
        ([], []),
        ([0, 0, 0], [(0, 3)]),
        ([4, 4, 2, 1], [(0, 3), (3, 4)]),
        ([11, 1, 25, 10], [(0, 1), (1, 2), (2, 3), (3, 4)]),
        ([1] * 7, [(0, 3), (3, 6), (6, 7)]),
    ],
    ids=["none", "empty ones", "up to the limit", "longer than the limit", "as many as may be"],
)
def test_spans_are_as_long_as_they_may_be_and_never_empty(sizes: list[int], spans: list[tuple[int, int]]) -> None:
    records = Records.of([b"x" * size for size in sizes])
    assert list(records.spans(most_records=3, most_bytes=10)) == spans


def test_addresses_are_where_the_bytes_lie() -> None:
    records = Records.of([b"first", b"", b"third"]).part(1, 3)
    found = [
        ctypes.string_at(at, size) for at, size in zip(records.addresses.tolist(), records.sizes.tolist(), strict=True)
    ]
    assert found == [b"", b"third"]
