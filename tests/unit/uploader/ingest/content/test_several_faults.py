"""An invalid CSV is refused with the first violations in it, and nothing is written after the first one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from contracts.names import BYTES_PER_MB
from tests.support.uploader.ingest import Part, cut_up, form, receive, stream
from uploader.domain.cutting import ChunkType, CutOptions
from uploader.errors import InvalidCsvError
from uploader.ingest.content import content_scanner
from uploader.ingest.content.content_scanner import ContentScanner
from uploader.ingest.pipeline.file_io import write_all

CONTENT = b'a,b\n1,2\n3\n4,5,6\n7,\0\n8,"9\n'
FAULTS = [
    {"reason": "ragged_row", "row": 2, "byte": 8, "expected": "2 fields", "found": "1 field"},
    {"reason": "ragged_row", "row": 3, "byte": 10, "expected": "2 fields", "found": "3 fields"},
    {"reason": "nul_byte", "row": 4, "byte": 18, "expected": "text", "found": "a NUL byte"},
    {
        "reason": "unterminated_quote",
        "row": 5,
        "byte": 22,
        "expected": "a closing quote for the one that opens here",
        "found": "the end of the content",
    },
]
NAME: Part = ("dataset_name", b"people")
WAYS: dict[str, list[Part]] = {
    "cut while it comes": [NAME],
    "counted while it comes": [NAME, ("chunk_type", b"count"), ("chunk_size", b"3")],
}


def refused(parts: list[Part], temp_dir: Path, *, piece_bytes: int = 65536) -> InvalidCsvError:
    with pytest.raises(InvalidCsvError) as raised:
        asyncio.run(receive(stream(cut_up(form(parts), [piece_bytes])), temp_dir=temp_dir))
    return raised.value


def scanner() -> ContentScanner:
    options = CutOptions(dataset_name="d", chunk_type=ChunkType.SIZE, chunk_size=1, delimiter=b",")
    return ContentScanner(options=options, transcoded_from=None)


@pytest.fixture
def short_tail() -> Iterator[int]:
    """Scan few bytes after a fault."""
    with patch.object(content_scanner, "MAX_BYTES_AFTER_FAULT", 1000):
        yield 1000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("way", [*WAYS, "kept, then cut"])
def test_all_faults_are_reported_the_first_as_the_members_of_the_problem(
    tmp_path: Path, way: str, encoding: str
) -> None:
    file: Part = ("file", CONTENT.decode().encode(encoding))
    problem = refused([*WAYS[way], file] if way in WAYS else [file, NAME], tmp_path)
    assert problem.extra["faults"] == FAULTS
    assert {name: problem.extra[name] for name in FAULTS[0]} == FAULTS[0]
    assert problem.extra["fault_counts"] == {"ragged_row": 2, "nul_byte": 1, "unterminated_quote": 1}
    assert problem.extra["scanned_bytes"] == len(CONTENT)
    assert problem.detail.startswith("row 2, byte 8: expected 2 fields, found 1 field (")


def test_fault_that_ends_the_scan_is_the_only_one(tmp_path: Path) -> None:
    content = b"\xff" * 300 + b"a,b\n1\n"
    problem = refused([NAME, ("encoding", b"utf-8"), ("file", content)], tmp_path)
    assert problem.extra["faults"] == [
        {
            "reason": "invalid_encoding",
            "row": 0,
            "byte": 0,
            "expected": "text in utf-8",
            "found": "bytes that are not utf-8",
        }
    ]
    assert problem.extra["fault_counts"] == {"invalid_encoding": 1}
    assert problem.extra["scanned_bytes"] == len(content)


def test_answer_stays_bounded_however_many_faults_there_are(tmp_path: Path) -> None:
    problem = refused([NAME, ("file", b"a,b\n" + b"1\n" * 300_000)], tmp_path)
    faults, counts = problem.extra["faults"], problem.extra["fault_counts"]
    assert isinstance(faults, list)
    assert [fault["row"] for fault in faults] == list(range(1, 21))
    assert counts == {"ragged_row": 300_000}


def test_scan_for_more_faults_ends_with_the_twentieth() -> None:
    scan = scanner()
    assert scan.feed(memoryview(b"a,b\n" + b"1,2\n" * 300)) is not None
    assert scan.feed(memoryview(b"1\n" * 19)) is None
    assert scan.feed(memoryview(b"1,2\n" * 100)) is None
    with pytest.raises(InvalidCsvError) as raised:
        scan.feed(memoryview(b"1\n"))
    assert raised.value.extra["fault_counts"] == {"ragged_row": 20}


def test_scan_for_more_faults_ends_some_bytes_after_the_first_one(short_tail: int) -> None:
    scan = scanner()
    scan.feed(memoryview(b"a,b\n" + b"1,2\n" * 300))
    assert scan.feed(memoryview(b"1\n")) is None
    assert scan.feed(memoryview(b"1,2\n" * (short_tail // 4 - 1))) is None
    with pytest.raises(InvalidCsvError) as raised:
        scan.feed(memoryview(b"1,2\n"))
    assert raised.value.extra["scanned_bytes"] == 4 + 1200 + 2 + short_tail


def test_scan_with_a_fault_cannot_be_saved_and_resumed_without_it() -> None:
    scan = scanner()
    scan.feed(memoryview(b"a,b\n" + b"1,2\n" * 300))
    assert scan.state() is not None
    assert scan.feed(memoryview(b"1\n")) is None
    with pytest.raises(InvalidCsvError) as raised:
        scan.state()
    assert raised.value.extra["row"] == 301


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_written_after_the_first_fault(tmp_path: Path, way: str) -> None:
    written: list[int] = []

    def write_and_count(fd: int, data: bytes | memoryview) -> None:
        written.append(len(data))
        write_all(fd, data)

    content = b"a,b\n" + b"1,2\n" * 262_144 + b"1\n" + b"1,2\n" * 1_000_000
    with (
        patch("uploader.ingest.pipeline.syncer.write_all", write_and_count),
        patch("uploader.ingest.chunking.spooled_chunker.write_all", write_and_count),
    ):
        refused([*WAYS[way], ("file", content)], tmp_path)
    assert 0 < sum(written) <= BYTES_PER_MB + len(b"a,b\n")


@pytest.mark.parametrize("way", WAYS)
def test_later_field_that_would_accept_the_fault_does_not_accept_half_a_file(tmp_path: Path, way: str) -> None:
    parts: list[Part] = [*WAYS[way], ("file", b"a,b\n1\n" + b"1,2\n" * 1_000_000), ("strict", b"false")]
    assert refused(parts, tmp_path).extra["fault_counts"] == {"ragged_row": 1}
