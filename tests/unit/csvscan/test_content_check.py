"""A check finds what the uploader would refuse, and goes on to the end."""

from __future__ import annotations

import codecs

import pytest

from csvscan import ContentCheck, FileFacts, Strictness
from uploader.domain.cutting import ChunkType, CutOptions
from uploader.errors import InvalidCsvError
from uploader.ingest.content.content_scanner import ContentScanner
from uploader.ingest.content.source_transcoder import SourceTranscoder


def check(
    content: bytes,
    *,
    encoding: str | None = None,
    strictness: Strictness = Strictness.STRICT,
    block_bytes: int = 1 << 20,
) -> FileFacts:
    scan = ContentCheck(delimiter=None, encoding=encoding, strictness=strictness, most_faults=20)
    for start in range(0, len(content), block_bytes):
        scan.feed(content[start : start + block_bytes])
    return scan.finish()


def first_refusal(content: bytes, encoding: str | None) -> dict[str, object] | None:
    """Return reason, row and byte with which the uploader refuses a content, or None."""
    transcoder = SourceTranscoder(current_row=lambda: scanner.current_row)
    options = CutOptions(dataset_name="d", chunk_type=ChunkType.SIZE, chunk_size=1, encoding=encoding)
    text = transcoder.feed(memoryview(content))
    try:
        scanner = ContentScanner(options=options, transcoded_from=transcoder.transcoded_from)
        scanner.feed(text)
        scanner.feed(transcoder.finish())
        scanner.finish()
    except InvalidCsvError as error:
        return {name: error.extra[name] for name in ("reason", "row", "byte")}
    return None


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"a,b\n1,2\n", None),
        (b"", None),
        (b"\n\n", None),
        (b"a,b\n1,2\n3\n", None),
        (b'a,b\n1,"2\n', None),
        (b'a,"b\n1,2\n', None),
        (b"a,b\n1,\0\n", None),
        (b"a,\0\n1,2\n", None),
        (b"a,b\n1,\xff\n", "utf-8"),
        (b"\x1f\x8b\x08", None),
        (b"{}", None),
        ("a,b\n1,2\n3\n".encode("utf-16"), None),
        ("a,b\n1,2\n".encode("utf-16"), "utf-16"),
        ("a,b\n1,2\n".encode("utf-16"), "latin-1"),
        (codecs.BOM_UTF16_LE, None),
    ],
)
@pytest.mark.parametrize("block_bytes", [1, 7, 1 << 20])
def test_first_fault_is_the_one_that_the_uploader_refuses_the_file_for(
    content: bytes, encoding: str | None, block_bytes: int
) -> None:
    faults = check(content, encoding=encoding, block_bytes=block_bytes).faults
    found = [{"reason": each.code, "row": each.row, "byte": each.byte} for each in faults.first[:1]]
    assert found == list(filter(None, [first_refusal(content, encoding)]))


def test_invalid_utf16_ends_the_scan_after_the_faults_before_it() -> None:
    content = "a,b\n1,2\n3\n4,".encode("utf-16") + b"\x00\xd8\n\x00" + "5,6\n7\n".encode("utf-16-le")
    facts = check(content, block_bytes=16)
    assert [(each.code, each.row, each.byte) for each in facts.faults.first] == [
        ("ragged_row", 2, 8),
        ("invalid_encoding", 3, 26),
    ]
    assert facts.rows == 2


def test_all_faults_of_a_large_content_are_counted() -> None:
    facts = check(b"a,b\n" + b"1,2\n3\n" * 500_000)
    assert facts.faults.counts == {"ragged_row": 500_000}
    assert (facts.rows, len(facts.faults.first)) == (1_000_000, 20)


def test_ragged_rows_are_known_also_if_they_are_no_faults() -> None:
    facts = check(b"a,b\n1\n2,\0\n", strictness=Strictness.OFF)
    assert (facts.faults.counts, facts.ragged_rows) == ({"nul_byte": 1}, 1)
    facts = check(b"a,b\n1,2,,\n\n", strictness=Strictness.LENIENT)
    assert (bool(facts.faults), facts.ragged_rows, facts.surplus_empty_rows, facts.blank_last_lines) == (False, 1, 1, 1)


@pytest.mark.parametrize("block_bytes", [1000, 4096])
def test_row_that_is_longer_than_a_block_is_measured(block_bytes: int) -> None:
    long = b"1," + b"x" * 20_000 + b"\n"
    facts = check(b"a,b\n" + b"1,2\n" * 100_000 + long + b"3,4\n", block_bytes=block_bytes)
    assert facts.longest_row_bytes == len(long)
