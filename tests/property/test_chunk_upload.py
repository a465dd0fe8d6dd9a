"""Any records, options, reads and order of parts: the chunks equal the source, and every row is in exactly one."""

from __future__ import annotations

import asyncio
import codecs
import csv
import hashlib
import io
import math
import tempfile
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from csvscan import Dialect
from tests.property.csv_texts import DELIMITERS, csv_texts
from tests.property.scan_reference import rows_of_python
from tests.support.examples import examples
from tests.support.uploader.ingest import Received, cut_up, form, receive, settings_for, stream
from uploader.domain.cutting import ChunkType
from uploader.errors import InvalidCsvError
from uploader.ingest.chunking import chunk_plan
from uploader.ingest.pipeline import blocks


def _rows(content: bytes, delimiter: str) -> list[list[str]]:
    """What Python's ``csv`` reads, without blank lines and header."""
    reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=delimiter)
    return [row for row in reader if row][1:]


_OPTIONS = st.tuples(st.sampled_from(["size", "rows", "count"]), st.integers(1, 9))
_SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=4)


@settings(max_examples=examples(75))
@given(
    data=st.data(),
    delimiter=DELIMITERS,
    declared=st.booleans(),
    ragged=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be"]),
    option=_OPTIONS,
    read_sizes=_SIZES,
    block_bytes=st.integers(1, 50),
    file_at=st.integers(0, 3),
)
def test_joined_chunks_equal_the_source_and_contain_each_row_once(
    *,
    data: st.DataObject,
    delimiter: str,
    declared: bool,
    ragged: bool,
    encoding: str,
    option: tuple[str, int],
    read_sizes: list[int],
    block_bytes: int,
    file_at: int,
) -> None:
    text = data.draw(csv_texts(delimiter, ragged=ragged))
    source = (codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b"") + text.encode(encoding)
    chunk_type, chunk_size = option
    parts = [
        ("dataset_name", b"d"),
        ("chunk_type", chunk_type.encode()),
        ("chunk_size", str(chunk_size).encode()),
    ]
    parts.insert(file_at, ("file", source))
    # In front: behind a file that was cut already, and is invalid without them, they come too late.
    parts = [("strict", b"false")] * ragged + [("delimiter", delimiter.encode())] * (declared or ragged) + parts
    received = _receive(parts, read_sizes, block_bytes)
    _check(received, source, delimiter, ChunkType(chunk_type), chunk_size)


@settings(max_examples=examples(50))
@given(
    data=st.data(),
    delimiter=DELIMITERS,
    option=_OPTIONS,
    read_sizes=_SIZES,
    block_bytes=st.integers(1, 50),
)
def test_first_ragged_row_is_reported_by_number(
    *, data: st.DataObject, delimiter: str, option: tuple[str, int], read_sizes: list[int], block_bytes: int
) -> None:
    text = data.draw(csv_texts(delimiter, ragged=True))
    width = text.splitlines()[0].count(delimiter) + 1
    rows = _rows(text.encode(), delimiter)
    first = next((number for number, row in enumerate(rows, start=1) if len(row) != width), None)
    assume(first is not None)
    chunk_type, chunk_size = option
    fields = {"dataset_name": "d", "delimiter": delimiter, "chunk_type": chunk_type, "chunk_size": str(chunk_size)}
    parts = [*((name, value.encode()) for name, value in fields.items()), ("file", text.encode())]
    with pytest.raises(InvalidCsvError) as caught:
        _receive(parts, read_sizes, block_bytes)
    assert (caught.value.extra["reason"], caught.value.extra["row"]) == ("ragged_row", first)


def _receive(parts: list[tuple[str, bytes]], read_sizes: list[int], block_bytes: int) -> Received:
    """Receive with blocks and "megabytes" of a few bytes, so that everything happens in small files."""
    with (
        tempfile.TemporaryDirectory() as temp_dir,
        patch.object(blocks.BlockPool.__init__, "__kwdefaults__", {"count": 3, "size_bytes": block_bytes}),
        patch("uploader.ingest.chunking.spool_file.DEFAULT_BLOCK_BYTES", block_bytes),
        patch.object(chunk_plan, "BYTES_PER_MB", 3),
    ):
        pieces = cut_up(form(parts), read_sizes)
        return asyncio.run(receive(stream(pieces), temp_dir=Path(temp_dir), settings=settings_for(Path(temp_dir))))


def _check(received: Received, source: bytes, delimiter: str, chunk_type: ChunkType, chunk_size: int) -> None:
    result, chunks = received.result, received.result.chunks
    content = source
    if result.transcoded_from is not None:
        content = source.decode("utf-16").encode()
        bom = codecs.BOM_UTF16_LE if result.transcoded_from == "utf-16-le" else codecs.BOM_UTF16_BE
        assert bom + received.content.decode().encode(result.transcoded_from) == source
    assert received.content == content
    assert received.left_over == []
    assert (result.source_bytes, result.content_bytes) == (len(source), len(content))
    assert result.source_sha256 == hashlib.sha256(source).hexdigest()
    assert result.content_sha256 == hashlib.sha256(content).hexdigest()
    assert [chunk.sha256 for chunk in chunks] == [hashlib.sha256(file).hexdigest() for file in received.files]
    assert [chunk.size_bytes for chunk in chunks] == [len(file) for file in received.files]
    assert [chunk.chunk_id for chunk in chunks] == list(range(1, len(chunks) + 1))

    ends = [(result.header_bytes, 0), *((chunk.byte_end, chunk.row_end) for chunk in chunks)]
    assert [(chunk.byte_start, chunk.row_start - 1) for chunk in chunks] == ends[:-1]
    assert ends[-1] == (len(content), result.row_count)

    rows, rows_of_files = _rows(content, delimiter), [_rows(file, delimiter) for file in received.files]
    assert [row for rows_of_file in rows_of_files for row in rows_of_file] == rows
    assert [chunk.row_count for chunk in chunks] == [len(rows_of_file) for rows_of_file in rows_of_files]
    counts = [len(rows_of_file) for rows_of_file in rows_of_files]
    if chunk_type is ChunkType.SIZE:
        bodies = [chunk.byte_end - chunk.byte_start for chunk in chunks]
        assert bodies == _size_bodies(content, delimiter, result.header_bytes, chunk_bytes=3 * chunk_size)
    else:
        _check_counts(counts, chunk_type, chunk_size, len(rows))


def _check_counts(counts: list[int], chunk_type: ChunkType, chunk_size: int, rows: int) -> None:
    if chunk_type is ChunkType.ROWS:
        assert len(counts) == max(1, math.ceil(rows / chunk_size))
        assert set(counts[:-1]) <= {chunk_size}
    else:
        assert len(counts) == max(1, min(rows, chunk_size))
        assert max(counts) - min(counts) <= 1


def _size_bodies(content: bytes, delimiter: str, header_bytes: int, *, chunk_bytes: int) -> list[int]:
    """Return the sizes of the bodies: each ends with the first row that is enough, the last with the content."""
    text = content.decode()
    ends = [len(text[:end].encode()) for end in rows_of_python(text, Dialect(delimiter.encode()))[0]][1:]
    cuts = [header_bytes]
    for end in ends[:-1]:
        if end - cuts[-1] >= chunk_bytes:
            cuts.append(end)
    return [stop - start for start, stop in pairwise([*cuts, len(content)])]
