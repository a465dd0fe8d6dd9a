"""Headers that are too large for a message, or for the file that they stand in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.names import BYTES_PER_MB
from tests.support.signatures import fake_sign
from tests.support.uploader.ingest import Part, Received, cut_up, form, receive, settings_for, stream
from tests.support.uploader.small_disk import small_disk
from tests.support.uploader.uploads import cut_options
from uploader.disk.directories import STAGING
from uploader.domain.csv_header_limits import MAX_HEADER_JSON_BYTES, MAX_REPEATED_BYTES
from uploader.domain.messages import build_message
from uploader.domain.records import new_upload
from uploader.errors import DiskFullError, HeaderRepeatedError, InvalidCsvError

DATASET: Part = ("dataset_name", b"people")
LOOSE: Part = ("strict", b"false")
KAFKA_LIMIT_BYTES = 1_000_000


def by(chunk_type: str, chunk_size: int) -> list[Part]:
    return [("chunk_type", chunk_type.encode()), ("chunk_size", b"%d" % chunk_size)]


def upload(parts: list[Part], *, temp_dir: Path, declared: bool = True, **settings: object) -> Received:
    body = form(parts)
    headers = {"content-length": str(len(body))} if declared else {}
    given = settings_for(temp_dir, **settings)
    return asyncio.run(receive(stream(cut_up(body, [65536])), temp_dir=temp_dir, headers=headers, settings=given))


def assert_nothing_left(temp_dir: Path) -> None:
    assert [path for path in temp_dir.rglob("*") if path != temp_dir / STAGING] == []


WIDE = {
    "131 000 columns of one letter": b",".join([b"a"] * 131_000),
    "one column": b"x" * 262_000,
    "250 000 empty names": b"," * 250_000,
    "control characters, six bytes each as JSON": b"\x01" * 11_000,
    "Latin-1, two bytes each as UTF-8": "ö".encode("latin-1") * 33_000,
    "bytes of an unknown encoding, read as Latin-1": b"\xff" * 33_000,
    "quotes, two bytes each as JSON": b'"' + b'""' * 33_000 + b'"',
}


@pytest.mark.parametrize("kind", WIDE)
@pytest.mark.parametrize("file_first", [False, True])
def test_header_too_large_for_a_message_is_refused_with_its_size(tmp_path: Path, kind: str, file_first: bool) -> None:
    encoding: list[Part] = [("encoding", b"latin-1")] if kind.startswith("Latin-1") else []
    fields = [DATASET, LOOSE, *by("rows", 1), *encoding]
    file: Part = ("file", WIDE[kind] + b"\n" + b"1\n" * 1000)
    with pytest.raises(InvalidCsvError, match=f"at most {MAX_HEADER_JSON_BYTES} bytes as JSON.*shorten") as caught:
        upload([file, *fields] if file_first else [*fields, file], temp_dir=tmp_path)
    assert (caught.value.status, caught.value.extra["reason"], caught.value.extra["row"]) == (400, "header_too_long", 0)
    assert_nothing_left(tmp_path)


def json_of(size_bytes: int, letter: str) -> list[str]:
    """Return names whose JSON has just ``size_bytes``."""
    name = letter * 20
    names = [name] * (size_bytes // (len(json.dumps(name, ensure_ascii=False).encode()) + 1))
    rest = size_bytes - len(json.dumps(names, ensure_ascii=False, separators=(",", ":")).encode())
    return [*names[:-1], names[-1] + "x" * rest]


@pytest.mark.parametrize("letter", ["a", "\x01", "ö", "語"])
def test_largest_accepted_header_fits_into_a_message(tmp_path: Path, letter: str) -> None:
    names = json_of(MAX_HEADER_JSON_BYTES, letter)
    source = ",".join(names).encode() + b"\n"
    received = upload([DATASET, LOOSE, *by("rows", 1), ("file", source)], temp_dir=tmp_path)
    assert received.result.headers == names
    now = datetime.now(UTC)
    records = new_upload(
        upload_id="0" * 32,
        options=cut_options(dataset_name="d" * 128),
        result=replace(received.result, chunks=[replace(received.result.chunks[0], filename="f" * 251 + ".csv")]),
        replica="replica-0",
        bucket="b" * 63,
        idempotency_key=None,
        created_at=now,
        chunked_at=now,
    )
    message = build_message(
        records[0], records[1][0], base_url="https://" + "h" * 2000, published_at=now, sign=fake_sign
    )
    assert len(message.to_bytes()) < KAFKA_LIMIT_BYTES / 10
    with pytest.raises(InvalidCsvError):
        upload([DATASET, LOOSE, *by("rows", 1), ("file", b"x" + source)], temp_dir=tmp_path)


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(
    "parts",
    [
        lambda file: [DATASET, LOOSE, *by("rows", 1), file],
        lambda file: [file, DATASET, LOOSE, *by("rows", 1)],
        lambda file: [DATASET, LOOSE, *by("count", 1000), file],
        lambda file: [DATASET, LOOSE, file, *by("rows", 1)],
    ],
    ids=["streamed", "kept", "count", "cut again"],
)
def test_short_file_cannot_be_made_long_by_its_header(
    tmp_path: Path, parts: Callable[[Part], list[Part]], declared: bool
) -> None:
    header = b"x" * 50_000
    accepted = MAX_REPEATED_BYTES // (len(header) + len('[""]'))
    with pytest.raises(HeaderRepeatedError, match=f"at most {accepted} chunks") as caught:
        upload(parts(("file", header + b"\n" + b"1\n" * 1000)), temp_dir=tmp_path, declared=declared)
    assert caught.value.status == 400
    assert caught.value.extra["max_chunks"] == accepted
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize("declared", [True, False])
def test_long_file_may_repeat_its_header_in_proportion(tmp_path: Path, declared: bool) -> None:
    row = b"y" * 20_000 + b"\n"
    file: Part = ("file", b"x" * 50_000 + b"\n" + row * 100)  # 5 MB of headers for 2 MB of rows
    received = upload([DATASET, *by("rows", 1), file], temp_dir=tmp_path, declared=declared)
    assert len(received.files) == 100


def test_many_small_chunks_of_a_common_header_are_accepted(tmp_path: Path) -> None:
    header = b",".join(b"column_%d" % number for number in range(100))
    file: Part = ("file", header + b"\n" + b"1,\n" * 1000)
    assert len(upload([DATASET, LOOSE, *by("rows", 1), file], temp_dir=tmp_path).files) == 1000


@pytest.mark.parametrize("order", ["streamed", "kept", "count"])
def test_disk_is_kept_free_of_what_the_headers_add(tmp_path: Path, order: str) -> None:
    row = b"y" * 700 + b"\n"
    file: Part = ("file", b"x" * 2_800 + b"\n" + row * 1000)  # 0.7 MB sent, 3.5 MB on the disk
    fields = [DATASET, *by("count" if order == "count" else "rows", 1000 if order == "count" else 1)]
    parts = [file, *fields] if order == "kept" else [*fields, file]
    with small_disk(tmp_path / "disk", size_mb=8) as disk, pytest.raises(DiskFullError, match="MIN_FREE_DISK_MB"):
        upload(parts, temp_dir=disk, min_free_disk_mb=6, low_disk_mb=6)
    assert len(row) * 1000 < BYTES_PER_MB
