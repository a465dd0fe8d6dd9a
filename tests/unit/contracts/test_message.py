from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.errors import InvalidMessageError
from contracts.message import ChunkMessage, parse_message
from tests.support.signatures import FAKE_SIGNATURE

NUMBERS = {name for name, field in ChunkMessage.model_fields.items() if field.annotation is int}


def fields(**changes: Any) -> dict[str, Any]:
    return {
        "upload_id": "0" * 32,
        "dataset_name": "flights",
        "chunk_id": 1,
        "total_chunks": 2,
        "filename": "flights_chunk_001_20260101T000000000000Z.csv",
        "chunk_size_mb": 0.000005,
        "row_count": 1,
        "row_start": 1,
        "row_end": 1,
        "file_path": "s3://raw/flights/flights_chunk_001_20260101T000000000000Z.csv",
        "headers": ["a", "b"],
        "header_count": 2,
        "published_at": datetime(2026, 1, 1, tzinfo=UTC),
        "api_endpoint": "http://uploader:8000/chunks/" + "0" * 32 + f"/1/download/{FAKE_SIGNATURE}",
        "size_bytes": 8,
        "sha256": "a" * 64,
        "byte_start": 4,
        "byte_end": 8,
        **changes,
    }


def test_message_survives_the_topic() -> None:
    message = ChunkMessage(**fields())
    assert parse_message(message.to_bytes()) == message


def test_moment_without_a_zone_is_in_utc() -> None:
    message = ChunkMessage(**fields(published_at="2026-01-01T00:00:00"))
    assert message.published_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_unknown_fields_are_ignored() -> None:
    assert parse_message(ChunkMessage(**fields()).to_bytes()[:-1] + b',"new_field":1}').chunk_id == 1


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"upload_id": "../etc"}, "upload_id"),
        ({"dataset_name": "a/b"}, "dataset_name"),
        ({"dataset_name": ".."}, "dataset_name"),
        ({"filename": "../x.csv"}, "filename"),
        ({"chunk_id": 3}, "greater than total_chunks"),
        ({"row_end": 2}, "row_count"),
        ({"byte_end": 3}, "before byte_start"),
        ({"header_count": 3}, "header_count"),
        ({"sha256": "A" * 64}, "sha256"),
        ({"version": "2.0"}, "version"),
        ({"source_system": "ftp"}, "source_system"),
        ({"size_bytes": 2**63}, "size_bytes"),
        ({"chunk_id": 2**63, "total_chunks": 2**63}, "chunk_id"),
        ({"headers": ["a", "b\0"]}, "headers: .*contains a NUL"),
        ({"content_type": "\0"}, "content_type: .*contains a NUL"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], named: str) -> None:
    value = ChunkMessage.model_construct(**fields(**changes)).to_bytes()
    with pytest.raises(InvalidMessageError, match=named):
        parse_message(value)


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"NaN", b"Infinity", b"9" * 400])
def test_size_that_is_no_finite_number_is_refused(number: bytes) -> None:
    value = ChunkMessage(**fields(chunk_size_mb=1.5)).to_bytes().replace(b":1.5,", b":" + number + b",")
    with pytest.raises(InvalidMessageError, match="chunk_size_mb"):
        parse_message(value)


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_whole_numbers_fit_into_64_bits(name: str) -> None:
    """What takes the message on, a database's column or MessagePack, holds no more."""
    value = ChunkMessage.model_construct(**fields(**{name: 2**63})).to_bytes()
    with pytest.raises(InvalidMessageError, match=rf"{name}: .*9223372036854775807"):
        parse_message(value)


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b"\xff", b"null"])
def test_what_is_no_message_is_refused(value: bytes | None) -> None:
    with pytest.raises(InvalidMessageError):
        parse_message(value)
