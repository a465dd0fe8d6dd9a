"""Compressed uploads: the same chunks as of the plain file, however it is sent, and refusals of what is not whole."""

from __future__ import annotations

import asyncio
import errno
import gzip
import hashlib
import tracemalloc
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from contracts.errors import CsvPipeError
from tests.support.uploader.ingest import BOUNDARY, Received, cut_up, form, receive, settings_for, stream
from tests.support.zstd import zstd
from uploader.errors import (
    CompressionRatioExceededError,
    DiskFullError,
    FileTooLargeError,
    InvalidCompressionError,
    InvalidCsvError,
    UnsupportedMediaTypeError,
)
from uploader.ingest.size_limits import RATIO_FREE_BYTES

MIB = 1024 * 1024
TEXT = "id,name\n" + "".join(f'{row},"name {row * row}, é\r\n2nd line"\n' for row in range(90_000))
SOURCES = {"utf-8": TEXT.encode(), "utf-16": TEXT.encode("utf-16")}
CHECKED: dict[int, int] = {zstd.CompressionParameter.checksum_flag: 1}


def _members(data: bytes) -> bytes:
    return gzip.compress(data[:1001], 1) + gzip.compress(data[1001:], 1) + bytes(512)


def _frames(data: bytes) -> bytes:
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
    return skippable + zstd.compress(data[:1001]) + zstd.compress(data[1001:], options=CHECKED)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 1),
    "gzip, members": _members,
    "zstd": zstd.compress,
    "zstd, frames": _frames,
}


@cache
def packed_source(packing: str, encoding: str) -> bytes:
    return PACKERS[packing](SOURCES[encoding])


@pytest.fixture(scope="module")
def send_plain(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Received]:
    """Give a function that sends a plain file once in each way, and returns what became of it."""

    @cache
    def send_plain(encoding: str, *, chunk_type: str, chunk_size: str) -> Received:
        directory = tmp_path_factory.mktemp("plain")
        return send(directory, SOURCES[encoding], chunk_type=chunk_type, chunk_size=chunk_size)

    return send_plain


def send(
    tmp_path: Path,
    content: bytes,
    *,
    file_first: bool = False,
    encoding: str = "",
    piece_bytes: int = 65_537,
    **given: str,
) -> Received:
    fields = [("dataset_name", b"d"), *((name, value.encode()) for name, value in given.items())]
    file = ("file", content)
    body = form([file, *fields] if file_first else [*fields, file])
    if encoding:
        name = b'filename="data.csv"\r\n'
        body = body.replace(name, name + f"Content-Encoding: {encoding}\r\n".encode(), 1)
    return asyncio.run(receive(stream(cut_up(body, [piece_bytes])), temp_dir=tmp_path))


@pytest.mark.parametrize("encoding", SOURCES)
@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("file_first", [False, True])
@pytest.mark.parametrize(("chunk_type", "chunk_size"), [("size", "1"), ("rows", "7001"), ("count", "3")])
def test_chunks_are_those_of_the_plain_file(
    tmp_path: Path,
    send_plain: Callable[..., Received],
    packing: str,
    encoding: str,
    chunk_type: str,
    chunk_size: str,
    file_first: bool,
) -> None:
    packed = packed_source(packing, encoding)
    expected = send_plain(encoding, chunk_type=chunk_type, chunk_size=chunk_size)
    found = send(tmp_path, packed, file_first=file_first, chunk_type=chunk_type, chunk_size=chunk_size)
    assert found.files == expected.files
    assert found.result.chunks == expected.result.chunks
    assert (found.result.content_sha256, found.result.content_bytes, found.result.transcoded_from) == (
        expected.result.content_sha256,
        expected.result.content_bytes,
        expected.result.transcoded_from,
    )
    assert (found.result.compression, expected.result.compression) == (packing[:4], None)
    assert (found.result.source_bytes, found.result.source_sha256) == (len(packed), hashlib.sha256(packed).hexdigest())
    assert found.left_over == []


@pytest.mark.parametrize(("encoding", "packing"), [("gzip", "gzip"), ("X-GZIP", "gzip"), ("zstd", "zstd")])
def test_declared_compression_is_accepted(tmp_path: Path, encoding: str, packing: str) -> None:
    found = send(tmp_path, PACKERS[packing](b"a,b\n1,2\n"), encoding=encoding)
    assert (found.content, found.result.compression) == (b"a,b\n1,2\n", packing)


@pytest.mark.parametrize(
    "content", [b"a,b\n1,2\n", b"", gzip.compress(b"a,b\n1,2\n")], ids=["plain", "empty", "other compression"]
)
@pytest.mark.parametrize("file_first", [False, True])
def test_file_that_is_not_compressed_as_declared_is_refused(tmp_path: Path, content: bytes, file_first: bool) -> None:
    with pytest.raises(InvalidCompressionError) as raised:
        send(tmp_path, content, encoding="zstd", file_first=file_first)
    assert raised.value.extra == {"reason": "not_as_declared", "compression": "zstd", "byte": 0}


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, zstd"])
def test_other_encodings_of_the_file_are_refused(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(UnsupportedMediaTypeError, match="gzip or zstd"):
        send(tmp_path, b"a,b\n", encoding=encoding)


def test_compressed_field_is_refused(tmp_path: Path) -> None:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="dataset_name"\r\nContent-Encoding: gzip\r\n\r\nd\r\n'
    with pytest.raises(UnsupportedMediaTypeError, match="only the file"):
        asyncio.run(receive(stream([head.encode()]), temp_dir=tmp_path))


def test_compressed_form_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMediaTypeError, match="in the part 'file', without this header"):
        asyncio.run(receive(stream([]), temp_dir=tmp_path, headers={"content-encoding": "gzip"}))


PACKED = {"gzip": gzip.compress(SOURCES["utf-8"]), "zstd": zstd.compress(SOURCES["utf-8"], options=CHECKED)}


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("chunk_type", ["rows", "count"])
@pytest.mark.parametrize("file_first", [False, True])
def test_damaged_file_is_refused_with_its_byte(tmp_path: Path, packing: str, chunk_type: str, file_first: bool) -> None:
    packed = PACKED[packing]
    broken = bytearray(packed)
    broken[-3] ^= 1  # in the checksum
    faults = {
        "truncated": (packed[:-1], len(packed) - 1),
        "trailing_data": (packed + b"1,2\n", len(packed)),
        "damaged": (bytes(broken), (len(packed) - 1) // 65_536 * 65_536),
    }
    for reason, (content, byte) in faults.items():
        with pytest.raises(InvalidCompressionError) as raised:
            send(tmp_path, content, file_first=file_first, chunk_type=chunk_type, chunk_size="1000")
        assert raised.value.extra == {"reason": reason, "compression": packing, "byte": byte}
    assert list(tmp_path.rglob("*.csv")) == []


@pytest.mark.parametrize("file_first", [False, True])
def test_crumbs_of_compressed_data_are_refused(tmp_path: Path, file_first: bool) -> None:
    with pytest.raises(InvalidCompressionError) as raised:
        send(tmp_path, gzip.compress(b"a,b\n") + 20_000 * gzip.compress(b""), file_first=file_first)
    assert raised.value.extra["reason"] == "fragmented"


@pytest.mark.parametrize("chunk_type", ["rows", "count"])
def test_invalid_csv_is_found_before_later_damage(tmp_path: Path, chunk_type: str) -> None:
    content = gzip.compress(b"a,b\n1,2\n3\n") + gzip.compress(SOURCES["utf-8"])[:-9]
    with pytest.raises(InvalidCsvError, match="expected 2 fields") as raised:
        send(tmp_path, content, chunk_type=chunk_type, chunk_size="2")
    assert (raised.value.extra["row"], raised.value.extra["byte"]) == (2, 8)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (gzip.compress(gzip.compress(b"a,b\n")), "a gzip file"),
        (zstd.compress(b"PAR1\x15\x04\x15"), "a Parquet file"),
        (gzip.compress(b""), "found no content"),
    ],
    ids=["gzip in gzip", "Parquet in zstd", "nothing in gzip"],
)
def test_content_that_is_not_csv_is_named(tmp_path: Path, content: bytes, found: str) -> None:
    with pytest.raises(InvalidCsvError, match=found):
        send(tmp_path, content)


LINE = b"2026-01-31,the same line again and again,1234567890\n"
MEMBER = LINE * (MIB // len(LINE))
BOMBS = {
    "gzip": gzip.compress(b"a,b,c\n") + gzip.compress(MEMBER, 9) * 10_000,
    "zstd": zstd.compress(b"a,b,c\n") + zstd.compress(MEMBER, 19) * 10_000,
}
"""10 GB of one line in 2 to 40 MB."""


@pytest.mark.parametrize("packing", BOMBS)
@pytest.mark.parametrize("file_first", [False, True])
def test_bomb_is_refused_early(tmp_path: Path, packing: str, file_first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    monkeypatch.setattr(
        "uploader.ingest.upload_receiver.check_space", lambda _directory, size, **_: written.append(size)
    )
    tracemalloc.start()
    with pytest.raises(CompressionRatioExceededError) as raised:
        send(tmp_path, BOMBS[packing], file_first=file_first)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert raised.value.extra["max_compression_ratio"] == 200
    assert sum(written) <= RATIO_FREE_BYTES + MIB
    assert peak_bytes < 40 * MIB + 2 * len(BOMBS[packing])  # the body, and a copy of it


@pytest.mark.parametrize("file_first", [False, True])
def test_limit_of_the_size_is_that_of_the_content(tmp_path: Path, file_first: bool) -> None:
    settings = settings_for(tmp_path, max_file_size_mb=2, chunk_size_mb=1)
    exact = b"a,b\n" + b"1,2\n" * (2 * MIB // 4 - 1)
    for content, error in ((exact, None), (exact + b"\n", FileTooLargeError)):
        parts = [("dataset_name", b"d"), ("file", gzip.compress(content))]
        body = stream([form(parts[::-1] if file_first else parts)])
        if error is None:
            received = asyncio.run(receive(body, temp_dir=tmp_path, settings=settings))
            assert received.result.content_bytes == 2 * MIB
            continue
        with pytest.raises(CsvPipeError) as raised:
            asyncio.run(receive(body, temp_dir=tmp_path, settings=settings))
        assert (type(raised.value), raised.value.extra["max_file_size_bytes"]) == (error, 2 * MIB)


def test_any_ratio_is_accepted_without_a_limit(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, max_compression_ratio=0)
    content = b"a,b,c\n" + MEMBER * 70
    body = stream([form([("dataset_name", b"d"), ("file", gzip.compress(content))])])
    received = asyncio.run(receive(body, temp_dir=tmp_path, settings=settings))
    assert received.result.content_bytes == len(content)


def test_disk_that_fills_up_while_unpacking_ends_the_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = 5 * MIB

    def check_space(_directory: Path, size: int, **_: object) -> None:
        nonlocal left
        left -= size
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("uploader.ingest.upload_receiver.check_space", check_space)
    with pytest.raises(DiskFullError):
        send(tmp_path, gzip.compress(b"a,b,c\n" + MEMBER * 60), chunk_type="size", chunk_size="2")
