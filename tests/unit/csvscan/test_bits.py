from __future__ import annotations

import numpy as np
import pytest

from csvscan import bits
from csvscan.bits import Block, MaskMaker

SIZES = [1, 63, 64, 65, 4096, 4097, 300_001]


def random_block(size: int) -> bytes:
    return np.random.default_rng(size).integers(0, 4, size, dtype=np.uint8).tobytes()


@pytest.mark.parametrize("size", SIZES)
def test_mask_has_the_positions_of_a_byte(size: int) -> None:
    content = random_block(size) + b"\x09"
    mask = MaskMaker().mask(Block(content), 9)
    assert mask is not None
    assert bits.positions(mask).tolist() == [size]
    assert bits.count(mask) == 1
    assert bits.first(mask) == bits.last(mask) == size
    assert MaskMaker().mask(Block(memoryview(content)), 8) is None


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_byte_outside_the_view_is_not_in_the_block(kind: type[bytes | bytearray]) -> None:
    content = memoryview(kind(b",ab;"))
    assert Block(content[1:3]).contains(0x2C) is False
    assert Block(content[1:3]).contains(0x3B) is False
    assert Block(content[0:3]).contains(0x2C) is True
    assert Block(content[1:][1:]).contains(0x3B) is True


def test_block_that_is_not_in_bytes_needs_a_mask() -> None:
    block = Block(np.frombuffer(b",ab;", np.uint8).data)
    assert block.contains(0x2C) is None
    assert MaskMaker().mask(block, 0x2C) is not None
    assert MaskMaker().mask(block, 0x2D) is None


def test_mask_of_a_short_block_keeps_nothing_of_a_longer_one_before() -> None:
    masks = MaskMaker()
    masks.mask(Block(b"," * 200), 0x2C)
    mask = masks.mask(Block(b",x"), 0x2C)
    assert mask is not None
    assert bits.positions(mask).tolist() == [0]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("carry", [False, True])
def test_prefix_xor_is_the_parity_so_far(size: int, carry: bool) -> None:
    content = random_block(size) + b"\x01"
    mask = MaskMaker().mask(Block(content), 1)
    assert mask is not None
    parity = (np.cumsum(np.frombuffer(content, np.uint8) == 1) + carry) % 2
    found = np.unpackbits(bits.prefix_xor(mask, carry).view(np.uint8), count=size + 1, bitorder="little")
    assert found.tolist() == parity.tolist()


def test_shifts_carry_over_words() -> None:
    mask = MaskMaker().mask(Block(b"x" * 63 + b",,"), 0x2C)
    assert mask is not None
    assert bits.positions(bits.shift_up(mask, carry=True)).tolist() == [0, 64, 65]
    assert bits.positions(bits.shift_down(mask)).tolist() == [62, 63]


def test_nothing_is_found_after_the_last_bit_and_before_the_first() -> None:
    mask = MaskMaker().mask(Block(b"x" * 70 + b"," + b"x" * 200), 0x2C)
    assert mask is not None
    assert bits.first(mask, 71) is None
    assert bits.first(mask, 10_000) is None
    assert bits.last_below(mask, 70) is None
    assert bits.last_below(mask, 71) == 70
    assert bits.count_below(mask, 70) == 0
    assert bits.count_below(mask, 10_000) == 1
    assert bits.last(bits.zeros(500)) is None
