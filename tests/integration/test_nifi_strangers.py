"""Anyone who reaches ListenHTTP can post anything, but the flow writes only under keys that the uploader sent."""

from __future__ import annotations

import gzip
import json
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from contracts.message import ChunkMessage
from contracts.names import (
    BUCKET_RAW,
    BYTES_PER_MB,
    HEADER_OBJECT_KEY,
    HEADER_SHA256,
    HEADER_SIZE_BYTES,
    METADATA_SHA256,
    METADATA_UPLOAD_ID,
    object_key,
)
from tests.support.nifi.fake_chunk_source import FakeChunkSource
from tests.support.nifi.server import NiFiServer, flowfile_v3
from tests.support.signatures import FAKE_SIGNATURE

ROWS = b"amount\r\n100\r\n"
FORGED = b"amount\r\n999999\r\n"
FLOWFILE_V3 = "application/flowfile-v3"


def _forged(message: ChunkMessage, **changes: object) -> bytes:
    return json.dumps({**json.loads(message.to_bytes()), **changes}).encode()


def _keys(nifi: NiFiServer) -> set[str]:
    pages = nifi.minio.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET_RAW)
    return {entry["Key"] for page in pages for entry in page.get("Contents", [])}


def test_forged_message_cannot_overwrite_a_landed_chunk(nifi: NiFiServer, source: FakeChunkSource) -> None:
    victim, own = source.offer(ROWS, dataset="victim"), source.offer(FORGED, dataset="attacker")
    nifi.send(victim)
    assert nifi.wait_landed(victim) == ROWS

    nifi.post(_forged(own, dataset_name=victim.dataset_name, filename=victim.filename))

    line = nifi.wait_failed(own, "message_mismatch")
    assert object_key("attacker", own.filename) in line, "the log names the key that the uploader gives"
    assert nifi.wait_landed(victim) == ROWS
    head = nifi.minio.client().head_object(Bucket=BUCKET_RAW, Key=object_key("victim", victim.filename))
    assert head["Metadata"] == {METADATA_SHA256: victim.sha256, METADATA_UPLOAD_ID: victim.upload_id}


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset_name": "victim", "filename": "victim_chunk_001_20260131T235959123456Z.csv"},
        {"dataset_name": "_manifests"},
        {"dataset_name": "victim"},
        {"filename": "attacker_chunk_001_20260131T235959123456Z.csv"},
        {"size_bytes": 1},
        {"size_bytes": None},
        {"sha256": "0" * 64},
    ],
    ids=str,
)
def test_message_that_contradicts_the_response_writes_nothing(
    nifi: NiFiServer, source: FakeChunkSource, changes: dict[str, Any]
) -> None:
    own = source.offer(FORGED, dataset="attacker")
    before = _keys(nifi)

    nifi.post(_forged(own, **changes))

    nifi.wait_failed(own, "message_mismatch")
    nifi.wait_empty()
    assert _keys(nifi) == before


@pytest.mark.parametrize("filename", ["index.html", "manifest.json", "attacker_chunk_001_x.html", "chunk_001_x.csv"])
def test_filename_outside_the_pattern_is_not_fetched(nifi: NiFiServer, source: FakeChunkSource, filename: str) -> None:
    own = source.offer(FORGED, dataset="attacker")
    path = source.path_of(own)
    source.headers[path][HEADER_OBJECT_KEY.lower()] = object_key("attacker", filename)

    nifi.post(_forged(own, filename=filename))

    nifi.wait_failed(own, "invalid_message")
    assert not source.hits


def test_dataset_outside_the_pattern_is_neither_fetched_nor_written(nifi: NiFiServer, source: FakeChunkSource) -> None:
    allowed, *others = (source.offer(ROWS, dataset=name) for name in ("weather-2", "weather", "xweather-2", "other"))
    nifi.deploy(parameters={**nifi.parameters(), "dataset.pattern": "weather-[0-9]+|flights"})
    try:
        for message in (*others, allowed):
            nifi.send(message)
        assert nifi.wait_landed(allowed) == ROWS
        for message in others:
            assert "chunk.url" not in nifi.wait_failed(message, "invalid_message")
    finally:
        nifi.deploy()
    assert set(source.hits) == {source.path_of(allowed)}


@pytest.mark.parametrize("field", ["upload_id", "dataset_name", "filename", "sha256", "size_bytes", "api_endpoint"])
def test_message_cannot_forge_a_line_of_the_log(nifi: NiFiServer, source: FakeChunkSource, field: str) -> None:
    own = source.offer(ROWS, dataset="forger")
    forged = f"2026-11-29 00:00:00,000 INFO [Forger] {own.upload_id}"
    value = f"\n{forged}\x1b[2J\x9b\u2028\u202e{getattr(own, field)}"

    nifi.post(_forged(own, **{field: value}))

    (line,) = nifi.wait_logged("failure.reason=invalid_message", forged)
    assert not line.startswith(forged)
    assert line.isprintable()
    assert not source.hits


def test_signature_is_not_logged(nifi: NiFiServer, source: FakeChunkSource) -> None:
    landed, refused, gone = (source.offer(ROWS, dataset="logged") for _ in range(3))
    source.failures[source.path_of(gone)] = (99, HTTPStatus.GONE)
    nifi.send(landed)
    nifi.send(gone)
    nifi.post(_forged(refused, sha256="0"))

    nifi.wait_landed(landed)
    nifi.wait_failed(gone, "source_failed")
    assert f"/chunks/{refused.upload_id}/1/download/v1..." in nifi.wait_failed(refused, "invalid_message")
    for message in (landed, refused, gone):
        assert nifi.wait_logged(message.upload_id)
        assert not nifi.logged(message.upload_id, FAKE_SIGNATURE)


def test_response_without_a_key_writes_nothing(nifi: NiFiServer, source: FakeChunkSource) -> None:
    for header in (HEADER_OBJECT_KEY, HEADER_SHA256, HEADER_SIZE_BYTES):
        message = source.offer(ROWS, dataset="silent")
        del source.headers[source.path_of(message)][header.lower()]

        nifi.send(message)

        nifi.wait_failed(message, "message_mismatch")
        assert not nifi.has_object(message)


def test_response_cannot_rename_the_object_past_the_patterns(nifi: NiFiServer, source: FakeChunkSource) -> None:
    """InvokeHTTP turns every header of the response into an attribute, also those that were checked before."""
    other_dataset, other_file, odd_name = (source.offer(ROWS, dataset="weather") for _ in range(3))
    page = "weather_chunk_001_x.html"
    answers: dict[str, dict[str, str]] = {
        source.path_of(other_dataset): {"chunk.dataset_name": "victim"},
        source.path_of(other_file): {"chunk.filename": page},
        source.path_of(odd_name): {"chunk.dataset_name": "..", "chunk.filename": odd_name.filename},
    }
    for path, headers in answers.items():
        dataset = headers.get("chunk.dataset_name", "weather")
        filename = headers.get("chunk.filename", source.headers[path][HEADER_OBJECT_KEY.lower()].partition("/")[2])
        source.headers[path] |= {**headers, HEADER_OBJECT_KEY.lower(): f"{dataset}/{filename}"}
    before = _keys(nifi)
    nifi.deploy(parameters={**nifi.parameters(), "dataset.pattern": "weather"})
    try:
        for message in (other_dataset, other_file, odd_name):
            nifi.send(message)
            nifi.wait_failed(message, "message_mismatch")
    finally:
        nifi.deploy()
    assert _keys(nifi) == before


def test_response_headers_are_case_insensitive(nifi: NiFiServer, source: FakeChunkSource) -> None:
    message = source.offer(ROWS, dataset="case")
    headers = source.headers[source.path_of(message)]
    source.headers[source.path_of(message)] = {name.title(): value for name, value in headers.items()}

    nifi.send(message)

    assert nifi.wait_landed(message) == ROWS


def test_url_of_another_chunk_is_not_fetched(nifi: NiFiServer, source: FakeChunkSource) -> None:
    own, other = source.offer(FORGED, dataset="attacker"), source.offer(ROWS, dataset="victim")
    addresses = [
        other.api_endpoint,
        own.api_endpoint.rpartition("/")[0],
        own.api_endpoint[:-1],
        f"{own.api_endpoint}x",
        own.api_endpoint.replace("/v1.", "/v2."),
        own.api_endpoint.replace("/1/download", "/2/download"),
        own.api_endpoint.replace("/1/download", "/01/download"),
        f"{source.base}/..;{source.path_of(own)}",
        f"{source.base}/any{source.path_of(own)}",
        f"{source.base}/{source.path_of(own)}",
        f"{own.api_endpoint}?redirected_by=x",
        f"{own.api_endpoint}#x",
        f"{own.api_endpoint}/",
        own.api_endpoint.replace("http://", "http://user@"),
        own.api_endpoint.replace("/chunks/", "/chunks/%2e%2e/chunks/"),
    ]
    for address in addresses:
        nifi.post(_forged(own, api_endpoint=address))
    refused = ("failure.reason=invalid_message", f"chunk.upload_id={own.upload_id}")
    assert len(nifi.wait_logged(*refused, count=len(addresses))) == len(addresses)
    assert not source.hits


def test_content_type_is_always_csv(nifi: NiFiServer, source: FakeChunkSource) -> None:
    message = source.offer(b"<script>alert(1)</script>\r\n", dataset="page")

    nifi.post(_forged(message, content_type="text/html"))

    assert nifi.wait_landed(message)
    head = nifi.minio.client().head_object(Bucket=BUCKET_RAW, Key=object_key("page", message.filename))
    assert head["ContentType"] == "text/csv"


def test_packaged_attributes_are_dropped(nifi: NiFiServer, source: FakeChunkSource) -> None:
    message = source.offer(ROWS, dataset="laden")
    source.contents[source.path_of(message)] = FORGED
    foreign = {
        "chunk.mismatches": "-100000",
        "chunk.more": "x",
        "s3.key": "victim/index.html",
        "s3.bucket": "other",
        "s3.permissions.cannedacl": "public-read",
        "invokehttp.status.code": "200",
        "content_SHA-256": message.sha256,
        "failure.reason": "none",
        "filename": "../../etc/passwd",
        "mime.type": "text/html",
        HEADER_OBJECT_KEY: "victim/index.html",
    }

    assert nifi.post(flowfile_v3(message.to_bytes(), foreign), content_type=FLOWFILE_V3).status_code == HTTPStatus.OK

    line = nifi.wait_failed(message, "sha256_mismatch")
    assert source.hits[source.path_of(message)] == 1 + 3, "source.mismatch.retries is 3, also for chunk.mismatches"
    assert "chunk.more" not in line
    assert "victim" not in line


def test_packaged_object_key_does_not_replace_the_uploaders(nifi: NiFiServer, source: FakeChunkSource) -> None:
    own = source.offer(FORGED, dataset="attacker")
    source.headers[source.path_of(own)] = {}
    foreign = {
        HEADER_OBJECT_KEY.lower(): object_key("victim", own.filename),
        HEADER_SHA256.lower(): own.sha256,
        HEADER_SIZE_BYTES.lower(): str(own.size_bytes),
    }

    nifi.post(flowfile_v3(_forged(own, dataset_name="victim"), foreign), content_type=FLOWFILE_V3)

    nifi.wait_failed(own, "message_mismatch")
    assert object_key("victim", own.filename) not in _keys(nifi)


def test_gzip_bomb_is_refused_before_decompression(nifi: NiFiServer, source: FakeChunkSource) -> None:
    before = len(nifi.logged("failure.reason=invalid_message"))
    blanks = gzip.compress(b" " * (200 * BYTES_PER_MB), compresslevel=9)
    assert len(blanks) < BYTES_PER_MB

    answer = httpx.post(
        nifi.component.addresses()["ingest"],
        content=blanks,
        headers={"flowfile-gzipped": "true", "Content-Type": "application/json"},
        timeout=60,
        trust_env=False,
    )

    assert answer.status_code == HTTPStatus.OK
    nifi.wait_logged("failure.reason=invalid_message", count=before + 1)
    nifi.wait_empty()
    assert not nifi.logged("OutOfMemoryError")
    honest = source.offer(ROWS, dataset="behind-the-bomb")
    nifi.send(honest)
    assert nifi.wait_landed(honest) == ROWS


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b"[" * 5_000,
        b'{"chunk_id":' * 5_000,
        b'{"size_bytes": 1e999999999}',
        b'{"size_bytes": ' + b"9" * 100_000 + b"}",
        b'{"upload_id": "' + b"x" * 900_000 + b'"}',
        b'{"sha256": "\xff\xfe"}',
        b'{"api_endpoint": ["a", {"b": 1}]}',
        b" " * (BYTES_PER_MB - 1),
        b"{" + b" " * BYTES_PER_MB + b"}",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_odd_body_does_not_block_the_flow(nifi: NiFiServer, body: bytes) -> None:
    before = len(nifi.logged("failure.reason=invalid_message"))

    nifi.post(body)

    nifi.wait_logged("failure.reason=invalid_message", count=before + 1)
    nifi.wait_empty()
