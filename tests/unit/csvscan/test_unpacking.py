"""Compressed content unpacked as it arrives, whatever the blocks."""

from __future__ import annotations

import gzip
import random

import pytest

from csvscan import (
    LEAST_MEMBER_BYTES,
    UNPACKED_PIECE_BYTES,
    Compression,
    Unpacker,
    UnpackingError,
    detect_compression,
)
from csvscan.unpacking import FREE_MEMBERS
from tests.support.zstd import zstd

CONTENT = b"".join(b"%d,name of %d\n" % (row, row * row) for row in range(20_000))
SKIPPABLE = b"\x5f\x2a\x4d\x18\x04\x00\x00\x00abcd"
CHECKED: dict[int, int] = {zstd.CompressionParameter.checksum_flag: 1}
"""As the program zstd does: without, damage may go unnoticed."""
PACKED: dict[str, bytes] = {
    "gzip": gzip.compress(CONTENT),
    "gzip of three members": b"".join(map(gzip.compress, (CONTENT[:100], b"", CONTENT[100:]))),
    "gzip padded with NULs": gzip.compress(CONTENT[:70_000]) + bytes(513) + gzip.compress(CONTENT[70_000:]) + bytes(7),
    "zstd": zstd.compress(CONTENT),
    "zstd of three frames": b"".join(map(zstd.compress, (CONTENT[:100], b"", CONTENT[100:]))),
    "zstd with skippable frames": SKIPPABLE + zstd.compress(CONTENT) + SKIPPABLE,
}
BOMBS: dict[Compression, bytes] = {
    "gzip": gzip.compress(bytes(200_000_000), 1),
    "zstd": zstd.compress(bytes(200_000_000)),
}


CRUMBS = {
    "empty members": gzip.compress(b""),
    "members of one byte": gzip.compress(b"1"),
    "empty frames": zstd.compress(b""),
    "frames of one byte": zstd.compress(b"1"),
    "skippable frames": b"\x50\x2a\x4d\x18\x00\x00\x00\x00",
}


def unpack(packed: bytes, *, block_bytes: int, least_member_bytes: int = 0) -> bytes:
    unpacker = unpacker_of(packed, least_member_bytes=least_member_bytes)
    pieces = [
        piece
        for begin in range(0, len(packed), block_bytes)
        for piece in unpacker.feed(memoryview(packed)[begin : begin + block_bytes])
    ]
    unpacker.finish()
    return b"".join(pieces)


def unpacker_of(packed: bytes, *, least_member_bytes: int = 0) -> Unpacker:
    compression = detect_compression(packed)
    assert compression is not None
    return Unpacker(compression, least_member_bytes=least_member_bytes)


@pytest.mark.parametrize("block_bytes", [61, 1000, 65_536, 10_000_000])
@pytest.mark.parametrize("kind", PACKED)
def test_content_does_not_depend_on_the_blocks(kind: str, block_bytes: int) -> None:
    assert unpack(PACKED[kind], block_bytes=block_bytes) == CONTENT


@pytest.mark.parametrize("compression", BOMBS)
def test_content_comes_in_small_pieces_however_much_it_is(compression: Compression) -> None:
    unpacker = Unpacker(compression)
    sizes = [len(piece) for piece in unpacker.feed(BOMBS[compression])]
    unpacker.finish()
    assert sum(sizes) == 200_000_000
    assert max(sizes) <= UNPACKED_PIECE_BYTES


def fault_of(packed: bytes, *, block_bytes: int, least_member_bytes: int = 0) -> tuple[str, int]:
    with pytest.raises(UnpackingError) as raised:
        unpack(packed, block_bytes=block_bytes, least_member_bytes=least_member_bytes)
    assert str(raised.value.byte) in raised.value.message
    return raised.value.code, raised.value.byte


@pytest.mark.parametrize("kind", CRUMBS)
def test_crumbs_after_the_first_thousand_are_refused(kind: str) -> None:
    crumb, least = CRUMBS[kind], LEAST_MEMBER_BYTES
    expected = ("fragmented", FREE_MEMBERS * len(crumb))
    packed = crumb * (FREE_MEMBERS + 1)
    assert {fault_of(packed, block_bytes=size, least_member_bytes=least) for size in (61, 999, 10**7)} == {expected}
    packed = crumb * FREE_MEMBERS
    assert unpack(packed, block_bytes=999, least_member_bytes=least) == unpack(packed, block_bytes=10**7)
    assert len(unpack(crumb * (FREE_MEMBERS + 1), block_bytes=999)) in {0, FREE_MEMBERS + 1}


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_many_members_of_some_size_are_unpacked(packing: str) -> None:
    content = random.Random(1).randbytes(2 * LEAST_MEMBER_BYTES)
    member = gzip.compress(content) if packing == "gzip" else zstd.compress(content)
    found = unpack(member * (2 * FREE_MEMBERS), block_bytes=10_000, least_member_bytes=LEAST_MEMBER_BYTES)
    assert found == content * (2 * FREE_MEMBERS)


@pytest.mark.parametrize("kind", ["gzip", "gzip of three members", "zstd", "zstd of three frames"])
@pytest.mark.parametrize("missing_bytes", [1, 4, 9, 1000])
def test_truncated_data_is_reported_with_its_end(kind: str, missing_bytes: int) -> None:
    packed = PACKED[kind][:-missing_bytes]
    assert {fault_of(packed, block_bytes=size) for size in (53, 999, 10**7)} == {("truncated", len(packed))}


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("trailer_bytes", [1, 2, 3])
def test_start_of_a_further_stream_alone_is_truncated(compression: str, trailer_bytes: int) -> None:
    packed = PACKED[compression] + PACKED[compression][:trailer_bytes]
    assert {fault_of(packed, block_bytes=size) for size in (53, 999, 10**7)} == {("truncated", len(packed))}


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("junk", [b"a,b\n3,4\n", b"\x1e", b"\x1f\x8c\x08\x00", b"\x28\xb5\x2f\xfe----", b"--end--"])
def test_data_after_the_end_is_reported_with_its_first_byte(compression: str, junk: bytes) -> None:
    packed = PACKED[compression]
    assert {fault_of(packed + junk, block_bytes=size) for size in (31, 4096, 10**7)} == {("trailing_data", len(packed))}


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_damage_is_located_whatever_the_blocks(compression: str) -> None:
    noise = random.Random(1).randbytes(400_000).hex().encode()
    packed = bytearray(gzip.compress(noise) if compression == "gzip" else zstd.compress(noise, options=CHECKED))
    at = len(packed) // 2
    packed[at : at + 200] = bytes(200)
    (found,) = {fault_of(bytes(packed), block_bytes=size) for size in (97, 4096, 10**7)}
    assert found[0] == "damaged"
    assert found[1] % 65_536 == 0


def test_wrong_checksum_is_damage() -> None:
    packed = bytearray(PACKED["gzip"])
    packed[-5] ^= 1
    assert fault_of(bytes(packed), block_bytes=1000)[0] == "damaged"


@pytest.mark.parametrize(
    ("start", "compression"),
    [
        (PACKED["gzip"], "gzip"),
        (PACKED["zstd"], "zstd"),
        (SKIPPABLE, "zstd"),
        (b"a,b\n", None),
        (b"\x1f", None),
        (b"", None),
    ],
)
def test_compression_is_detected_by_the_first_bytes(start: bytes, compression: Compression | None) -> None:
    assert detect_compression(start[:4]) == compression
