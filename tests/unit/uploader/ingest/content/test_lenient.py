"""``strict=lenient`` accepts surplus cells that are empty, and counts them and the blank last lines."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from csvscan import Deviations
from tests.support.uploader.ingest import Part, Received, form, receive, stream
from uploader.errors import InvalidCsvError

WAYS: dict[str, list[Part]] = {
    "cut while it comes": [("chunk_type", b"rows"), ("chunk_size", b"2")],
    "counted while it comes": [("chunk_type", b"count"), ("chunk_size", b"3")],
}


def upload(content: bytes, *fields: Part, temp_dir: Path, strict: str = "lenient") -> Received:
    parts: list[Part] = [("dataset_name", b"d"), ("strict", strict.encode()), *fields, ("file", content)]
    return asyncio.run(receive(stream([form(parts)]), temp_dir=temp_dir))


@pytest.mark.parametrize("way", WAYS)
def test_surplus_empty_cells_and_blank_last_lines_are_accepted_counted_and_kept(tmp_path: Path, way: str) -> None:
    content = b"a,b\r\n1,2,,\r\n3,4\r\n\r\n5,6,,,,\r\n7,\r\n\r\n\r\n"
    received = upload(content, *WAYS[way], temp_dir=tmp_path)
    assert received.content == content
    assert received.result.row_count == 4
    assert received.result.deviations == Deviations(surplus_empty_cells=2, blank_last_lines=2)


@pytest.mark.parametrize("row", [b"1,2,3\n", b"1\n", b"1,2,x,\n", b'1,2,""\n', b"1,2, \n"])
def test_other_rows_are_refused(tmp_path: Path, row: bytes) -> None:
    with pytest.raises(InvalidCsvError) as raised:
        upload(b"a,b\n1,2,\n" + row, temp_dir=tmp_path)
    assert (raised.value.extra["reason"], raised.value.extra["row"]) == ("ragged_row", 2)
    assert raised.value.extra["fault_counts"] == {"ragged_row": 1}


def test_file_without_deviations_has_none_counted(tmp_path: Path) -> None:
    assert upload(b"a,b\n1,2\n", temp_dir=tmp_path).result.deviations == Deviations(0, 0)


@pytest.mark.parametrize("strict", ["true", "false"])
def test_nothing_is_counted_unless_lenient(tmp_path: Path, strict: str) -> None:
    assert upload(b"a,b\n1,2\n\n", temp_dir=tmp_path, strict=strict).result.deviations is None
