"""Where chunks end."""

from __future__ import annotations

import pytest

from contracts.names import BYTES_PER_MB
from csvscan import Dialect, Scan, Scanner
from uploader.domain.cutting import ChunkType, CutOptions
from uploader.ingest.chunking.chunk_cutter import ChunkBounds, join_blank_tail, too_many_chunks
from uploader.ingest.chunking.chunk_plan import RowsPlan, SizePlan, choose_plan, spread_rows
from uploader.ingest.content.row_boundary import RowBoundary

START = RowBoundary(0, 0)


def scan_of(data: bytes) -> Scan:
    return Scanner(dialect=Dialect(), expected_fields=None).feed(data)


def test_size_cuts_at_the_first_row_end_at_or_past_the_size() -> None:
    scan = scan_of(b"aa\nbb\ncc\n")
    ends = [SizePlan(chunk_bytes=size).find_cut(scan, block=START, chunk=START) for size in (1, 3, 4, 9, 10)]
    assert ends == [3, 3, 6, 9, None]


def test_size_reached_in_an_earlier_block_cuts_at_the_first_row_end() -> None:
    plan = SizePlan(chunk_bytes=10)
    assert plan.find_cut(scan_of(b"long field\nx\n"), block=RowBoundary(50, 4), chunk=RowBoundary(20, 2)) == 11


def test_rows_cut_after_the_missing_rows_of_the_chunk() -> None:
    plan = RowsPlan(chunk_rows=5)
    scan = scan_of(b"a\nb\n\nc\n")
    assert plan.find_cut(scan, block=RowBoundary(30, 8), chunk=RowBoundary(10, 5)) == 4
    assert plan.find_cut(scan, block=RowBoundary(30, 6), chunk=RowBoundary(10, 5)) is None


def test_chunks_by_count_have_no_plan_before_the_rows_are_counted() -> None:
    with pytest.raises(ValueError, match="count"):
        choose_plan(options(ChunkType.COUNT, 3))


@pytest.mark.parametrize(
    ("rows", "chunks", "last_rows"),
    [(10, 3, [3, 6]), (3, 3, [1, 2]), (2, 5, [1]), (0, 5, []), (7, 1, []), (10**9, 2, [5 * 10**8])],
)
def test_rows_are_spread_evenly(rows: int, chunks: int, last_rows: list[int]) -> None:
    assert spread_rows(rows=rows, chunks=chunks) == last_rows


def test_blank_lines_at_the_end_join_the_last_chunk_with_rows() -> None:
    first, tail = ChunkBounds(RowBoundary(2, 0), RowBoundary(9, 3)), ChunkBounds(RowBoundary(9, 3), RowBoundary(11, 3))
    assert join_blank_tail([first, tail]) == [ChunkBounds(RowBoundary(2, 0), RowBoundary(11, 3))]
    assert join_blank_tail([tail]) == [tail]


def test_too_many_chunks_by_size_suggests_a_size() -> None:
    error = too_many_chunks(options=options(ChunkType.SIZE, 1), max_chunks=10, expected_bytes=95 * BYTES_PER_MB)
    assert error(RowBoundary(10 * BYTES_PER_MB, 5)).args[0].endswith("chunk_size=10 should suffice")


def test_too_many_chunks_by_rows_extrapolates_from_the_received_rows() -> None:
    # 1 000 of 10 000 bytes hold 100 rows: some 1 000 in all, a tenth added, in 10 chunks.
    error = too_many_chunks(options=options(ChunkType.ROWS, 10), max_chunks=10, expected_bytes=10_000)
    assert error(RowBoundary(1_000, 100)).args[0].endswith("chunk_size=110 should suffice")


def test_too_many_chunks_of_an_unknown_total_suggests_no_number() -> None:
    error = too_many_chunks(options=options(ChunkType.ROWS, 10), max_chunks=10, expected_bytes=None)
    assert error(RowBoundary(1_000, 100)).args[0].endswith("choose more than 10")


def options(chunk_type: ChunkType, chunk_size: int) -> CutOptions:
    return CutOptions(dataset_name="people", chunk_type=chunk_type, chunk_size=chunk_size)
