"""The end-to-end tests' own judge: it passes what landed right, and nothing that landed wrong."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from contracts.manifest import Manifest
from contracts.names import manifest_key
from tests.support.pipeline.csv_data import HEADER, CsvFile, write_csv
from tests.support.pipeline.landing_check import check_landing
from tests.support.s3.fake_bucket import FakeBucket, lay_out, replace_chunk

_HEADER = HEADER.decode()
_ROWS = [f'{n},{n}.00,customer {n},"first line of {n}\nsecond ""line"", and a CRLF\r\nend"\n' for n in range(1, 7)]


@pytest.mark.parametrize("quoted", [False, True])
def test_a_file_as_write_csv_makes_it_passes(tmp_path: Path, quoted: bool) -> None:
    file = write_csv(tmp_path / "data.csv", size_bytes=3000, quoted=quoted)
    body = file.path.read_bytes()[len(HEADER) :].decode()
    rows = re.findall(r'\d+,[^"\n]*(?:"(?:[^"]|"")*")?\n', body)
    assert len(rows) == file.rows
    _check(*lay_out(_HEADER, [rows[:5], rows[5:9], rows[9:]]), file)


def test_rows_cut_at_their_ends_pass() -> None:
    _check(*lay_out(_HEADER, [_ROWS[:2], _ROWS[2:3], _ROWS[3:]]))


def test_cut_inside_a_quoted_record_is_found() -> None:
    head, line_end, tail = _ROWS[2].partition("\n")
    with pytest.raises(AssertionError, match=r"chunk_001.*after row 2: unexpected end of data"):
        _check(*lay_out(_HEADER, [[*_ROWS[:2], head + line_end], [tail, *_ROWS[3:]]]))


def test_cut_inside_a_line_is_found() -> None:
    with pytest.raises(AssertionError, match="does not end with a record's end"):
        _check(*lay_out(_HEADER, [[*_ROWS[:2], _ROWS[2][:3]], [_ROWS[2][3:], *_ROWS[3:]]]))


def test_foreign_header_of_a_later_chunk_is_found() -> None:
    manifest, bucket = _cut_in_two()
    content = b"X" * len(HEADER) + "".join(_ROWS[3:]).encode()
    bucket.objects[manifest.chunks[1].key] = content
    manifest = replace_chunk(manifest, 2, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(AssertionError, match=r"chunk_002.* does not begin with the header"):
        _check(manifest, bucket)


def test_invented_row_numbers_are_found() -> None:
    manifest, bucket = _cut_in_two()
    manifest = replace_chunk(manifest, 1, row_end=2, row_count=2)
    manifest = replace_chunk(manifest, 2, row_start=3, row_count=4)
    with pytest.raises(AssertionError, match=r"chunk_001.* ends with row 3"):
        _check(manifest, bucket)


def test_row_that_landed_twice_is_found() -> None:
    with pytest.raises(AssertionError, match="row '3' lies where row 4 belongs"):
        _check(*lay_out(_HEADER, [_ROWS[:3], _ROWS[2:]]))


def test_row_that_did_not_land_is_found() -> None:
    with pytest.raises(AssertionError, match="row '4' lies where row 3 belongs"):
        _check(*lay_out(_HEADER, [_ROWS[:2], _ROWS[3:]]))


def test_last_rows_that_did_not_land_are_found() -> None:
    with pytest.raises(AssertionError):
        _check(*lay_out(_HEADER, [_ROWS[:2], _ROWS[2:5]]))


def test_other_bytes_in_a_row_are_found_though_all_hashes_of_the_manifest_agree() -> None:
    with pytest.raises(AssertionError):
        _check(*lay_out(_HEADER, [_ROWS[:2], [*_ROWS[2:5], _ROWS[5].replace("customer", "Customer")]]))


def test_object_that_belongs_to_no_chunk_is_found() -> None:
    manifest, bucket = _cut_in_two()
    bucket.objects["flights/flights_chunk_001_of_another_try.csv"] = b""
    with pytest.raises(AssertionError, match="objects of the dataset"):
        _check(manifest, bucket)


def _check(manifest: Manifest, bucket: FakeBucket, file: CsvFile | None = None) -> None:
    keys = [*bucket.objects, manifest_key(manifest.dataset_name, manifest.upload_id)]
    content = (_HEADER + "".join(_ROWS)).encode()
    made = CsvFile(Path("rows.csv"), len(_ROWS), len(content), hashlib.sha256(content).hexdigest())
    check_landing(manifest, keys, bucket.objects.__getitem__, file or made)


def _cut_in_two() -> tuple[Manifest, FakeBucket]:
    return lay_out(_HEADER, [_ROWS[:3], _ROWS[3:]])
