"""Splits a source into ranges of about the same size, one for each partition.

Whether a line end is inside quotes depends on all bytes before it. So the boundaries are found by one pass over the
whole source, at the speed of the scan; a guess from the middle of a file could be wrong without being noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from csvscan import scan_rows
from sequencer.errors import JobUsageError
from sequencer.input.job_input import JobInput
from sequencer.model.blocks import RowBlock
from sequencer.model.source_position import START, SourcePosition
from sequencer.source.decoding import read_blocks


def plan_ranges(source: JobInput, count: int, *, check_stop: Callable[[], None] = lambda: None) -> list[SourcePosition]:
    """Return the ``count - 1`` boundaries between ``count`` ranges, or fewer if there are too few rows.

    Args:
        source: the source to split.
        count: number of ranges.
        check_stop: called for each block; it may raise to end the scan.

    Raises:
        JobUsageError: a file is compressed or transcoded, so a range could not be read without all bytes before it.
        BadRowError: the content is not CSV.
    """
    compressed = next((file.name for file in source.sources if file.compressed), None)
    if compressed is not None:
        raise JobUsageError(
            f"--partitions: {compressed} is compressed, so each range would have to decompress everything before it. "
            "Provide it uncompressed or as several files, or use one partition"
        )
    headers = zip(source.sources, source.headers, strict=True)
    decoded = next((file.name for file, head in headers if head.transcoded_from), None)
    if decoded is not None:
        raise JobUsageError(
            f"--partitions: {decoded} is in UTF-16 or a multi-byte encoding, which can be read from its start only. "
            "Convert it to UTF-8, or use one partition"
        )
    total = sum(file.size_bytes for file in source.sources)
    due = [total * number // count for number in range(1, count)]
    places: list[SourcePosition] = []
    before = 0  # bytes of the files before the current one
    index = 0
    for block in read_blocks(source.sources, source.headers, start=START):
        check_stop()
        while block.start.source_index > index:
            before += source.sources[index].size_bytes
            index += 1
        while due and block.end.byte_offset + before >= due[0]:
            place = _row_end(block, due.pop(0) - before, source)
            if not places or place.line > places[-1].line:
                places.append(place)
    return places


def split_input(source: JobInput, places: Sequence[SourcePosition]) -> list[JobInput]:
    """Return one input for each range."""
    begins = [START, *places]
    ends = [*places, None]
    return [replace(source, begin=begin, end=end) for begin, end in zip(begins, ends, strict=True)]


def _row_end(block: RowBlock, byte_offset: int, source: JobInput) -> SourcePosition:
    """Return the first row end of ``block`` at or after ``byte_offset`` of its file."""
    scan = scan_rows(block.data, source.headers[block.start.source_index].header.dialect)
    end = scan.first_end_at_or_after(byte_offset - block.start.byte_offset)
    if end is None:
        return block.end
    line = block.start.line + scan.rows_before(end)
    return SourcePosition(line, block.start.source_index, block.start.byte_offset + end)
