"""Whatever the form of a message admits, everything that takes it on can hold it: JSON, MessagePack, PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dags.modules.allowed_hosts import parse_allowed_hosts
from dags.modules.batch import group_records
from dags.modules.records import Record
from dags.modules.run_request import unpack_messages
from tests.support.signatures import FAKE_SIGNATURE

UPLOAD = "6" * 32
ALLOWED = parse_allowed_hosts("http://uploader:8000")
FIELDS: dict[str, Any] = {
    "upload_id": UPLOAD,
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
    "published_at": "2026-01-01T00:00:00Z",
    "api_endpoint": f"http://uploader:8000/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}",
    "source_system": "fastapi",
    "version": "1.0",
    "size_bytes": 8,
    "sha256": "a" * 64,
    "byte_start": 4,
    "byte_end": 8,
    "content_type": "text/csv",
    "encoding": "utf-8",
}
TEXTS = st.one_of(st.text(max_size=8), st.sampled_from(["\0", "\ud800", "a\0b", "\U0001f600"]))
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**63 - 1, 2**63, 2**64, 10**400]),
    st.floats(),
)
VALUES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, st.lists(TEXTS, max_size=3))
CHANGES = st.dictionaries(st.sampled_from(sorted(FIELDS)), VALUES, max_size=2)


def record_of(value: bytes) -> Record:
    return Record(topic="t", partition=0, offset=5, key=None, value=value)


def texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts_of(part)


def check_is_carried_or_rejected(record: Record) -> None:
    batch = group_records([record], allowed=ALLOWED, bucket="raw")
    assert batch.offsets == {0: 6}
    assert len(batch.runs) + len(batch.rejected) == 1
    for run in batch.runs:
        text = json.dumps(asdict(run), allow_nan=False)
        assert not any(
            "\0" in part or part != part.encode("utf-8", "replace").decode() for part in texts_of(asdict(run))
        )
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(asdict(run))) == json.loads(text)
        assert len(unpack_messages(json.loads(text)["conf"])) == 1


@given(changes=CHANGES)
def test_message_with_odd_fields_is_carried_whole_or_rejected(changes: dict[str, Any]) -> None:
    check_is_carried_or_rejected(record_of(json.dumps({**FIELDS, **changes}).encode()))


@given(value=st.binary(max_size=64))
def test_any_bytes_are_rejected_without_an_error(value: bytes) -> None:
    check_is_carried_or_rejected(record_of(value))


@pytest.mark.parametrize(
    "changes",
    [
        {"size_bytes": 10**400},
        {"size_bytes": 2**65},
        {"chunk_size_mb": float("inf")},
        {"headers": ["\0", "b"]},
        {"encoding": "\0"},
        {"row_start": 2**63, "row_end": 2**63},
    ],
)
def test_message_that_nothing_could_hold_is_rejected(changes: dict[str, Any]) -> None:
    batch = group_records([record_of(json.dumps({**FIELDS, **changes}).encode())], allowed=ALLOWED, bucket="raw")
    assert [item.code for item in batch.rejected] == ["invalid_message"]
