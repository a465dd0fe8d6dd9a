"""The flow in a real NiFi with a real S3 server, and a fake of the uploader's download route."""

from __future__ import annotations

import hashlib
import json
import random
from http import HTTPStatus

import pytest

from contracts.names import BUCKET_RAW, BYTES_PER_MB, METADATA_SHA256, METADATA_UPLOAD_ID, object_key
from tests.support.nifi.fake_chunk_source import FakeChunkSource
from tests.support.nifi.server import NiFiServer, flowfile_v3
from tests.support.signatures import FAKE_SIGNATURE

HEADER = b"id,text\r\n"


def _content(size_bytes: int, seed: int = 1) -> bytes:
    return HEADER + random.Random(seed).randbytes(size_bytes - len(HEADER))


def test_chunk_lands_unchanged_with_its_metadata(nifi: NiFiServer, source: FakeChunkSource) -> None:
    content = b'\xef\xbb\xbfid,text\r\n1,"two\r\nlines, ""quoted"""\r\n2,caf\xe9\r\n'
    message = source.offer(content, dataset="proof")

    nifi.send(message)

    assert nifi.wait_landed(message) == content
    head = nifi.minio.client().head_object(Bucket=BUCKET_RAW, Key=object_key("proof", message.filename))
    assert head["Metadata"] == {METADATA_SHA256: message.sha256, METADATA_UPLOAD_ID: message.upload_id}
    assert head["ContentType"] == "text/csv"
    nifi.wait_logged("s3.etag=", f"chunk.upload_id={message.upload_id}")


def test_trace_of_the_message_reaches_the_log_and_the_source(nifi: NiFiServer, source: FakeChunkSource) -> None:
    traced, untraced = (source.offer(HEADER + b"1,x\r\n", dataset="traced") for _ in range(2))
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    nifi.send(traced, traceparent=traceparent)
    nifi.send(untraced)

    for message, expected in ((traced, [traceparent]), (untraced, [None])):
        nifi.wait_landed(message)
        assert source.traceparents[source.path_of(message)] == expected
    nifi.wait_logged("s3.etag=", f"chunk.upload_id={traced.upload_id}", f"traceparent={traceparent}")
    (line,) = nifi.wait_logged("s3.etag=", f"chunk.upload_id={untraced.upload_id}")
    assert "traceparent" not in line


def test_trace_of_a_failed_message_is_logged(nifi: NiFiServer, source: FakeChunkSource) -> None:
    message = source.offer(HEADER, dataset="traced")
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    source.failures[source.path_of(message)] = (99, HTTPStatus.GONE)

    nifi.send(message, traceparent=traceparent)

    assert f"traceparent={traceparent}" in nifi.wait_failed(message, "source_failed")


def test_empty_chunks_land(nifi: NiFiServer, source: FakeChunkSource) -> None:
    messages = {content: source.offer(content, dataset="empty") for content in (HEADER, b"")}
    for message in messages.values():
        nifi.send(message)

    assert {nifi.wait_landed(message) for message in messages.values()} == {HEADER, b""}


def test_large_chunk_is_a_multipart_upload(nifi: NiFiServer, source: FakeChunkSource) -> None:
    content = _content(101 * BYTES_PER_MB)
    message = source.offer(content, dataset="parts")

    nifi.send(message)

    assert hashlib.sha256(nifi.wait_landed(message)).hexdigest() == message.sha256
    key = object_key("parts", message.filename)
    head = nifi.minio.client().head_object(Bucket=BUCKET_RAW, Key=key)
    assert head["ETag"].strip('"').endswith("-3"), "100 MB threshold, parts of 50 MB"
    assert head["Metadata"][METADATA_SHA256] == message.sha256
    assert not nifi.minio.client().list_multipart_uploads(Bucket=BUCKET_RAW).get("Uploads")


def test_many_chunks_land_each_once(nifi: NiFiServer, source: FakeChunkSource) -> None:
    messages = [source.offer(_content(BYTES_PER_MB, seed=i), dataset="many") for i in range(30)]
    for message in messages:
        nifi.send(message)

    for message in messages:
        assert hashlib.sha256(nifi.wait_landed(message)).hexdigest() == message.sha256
    assert all(source.hits[source.path_of(message)] == 1 for message in messages)


def test_repeated_message_leaves_the_same_object(nifi: NiFiServer, source: FakeChunkSource) -> None:
    message = source.offer(HEADER + b"1,x\r\n", dataset="twice")

    nifi.send(message)
    nifi.send(message)

    assert len(nifi.wait_logged("s3.etag=", f"chunk.upload_id={message.upload_id}", count=2)) == 2
    assert nifi.wait_landed(message) == HEADER + b"1,x\r\n"


def test_sender_cannot_set_object_permissions(nifi: NiFiServer, source: FakeChunkSource) -> None:
    message = source.offer(HEADER + b"1,x\r\n", dataset="grants")
    wishes = {"s3.permissions.cannedacl": "public-read", "s3.permissions.full.users": "them", "s3.owner": "them"}
    body = flowfile_v3(message.to_bytes(), wishes)

    assert nifi.post(body, content_type="application/flowfile-v3").status_code == 200

    assert nifi.wait_landed(message) == HEADER + b"1,x\r\n"
    (landing,) = nifi.wait_logged("s3.etag=", f"chunk.upload_id={message.upload_id}")
    assert {name for name in ("s3.permissions", "s3.owner", "them", "public-read") if name in landing} == set()


def test_mismatching_content_is_retried_and_not_stored(nifi: NiFiServer, source: FakeChunkSource) -> None:
    message = source.offer(HEADER + b"1,x\r\n", dataset="tampered")
    source.contents[source.path_of(message)] = HEADER + b"1,y\r\n"

    nifi.send(message)

    line = nifi.wait_failed(message, "sha256_mismatch")
    assert message.sha256 in line
    assert source.hits[source.path_of(message)] == 1 + 3, "source.mismatch.retries is 3"
    assert not nifi.has_object(message)


def test_content_damaged_once_lands_after_a_retry(nifi: NiFiServer, source: FakeChunkSource) -> None:
    content = HEADER + b"1,x\r\n"
    message = source.offer(content, dataset="damaged")
    path = source.path_of(message)
    source.damaged[path] = 1
    nifi.send(message)

    assert nifi.wait_landed(message) == content
    assert source.hits[path] == 2


@pytest.mark.parametrize("status", [HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.INTERNAL_SERVER_ERROR])
def test_refusing_source_is_retried_and_then_fails(
    nifi: NiFiServer, source: FakeChunkSource, status: HTTPStatus
) -> None:
    message = source.offer(HEADER, dataset="refused")
    source.failures[source.path_of(message)] = (99, status)

    nifi.send(message)

    assert f"failure.detail={status.value}" in nifi.wait_failed(message, "source_failed")
    assert source.hits[source.path_of(message)] == 1 + 2, "the tests' retryCount is 2"
    assert not nifi.has_object(message)


def test_recovered_source_is_fetched(nifi: NiFiServer, source: FakeChunkSource) -> None:
    message = source.offer(HEADER, dataset="recovers")
    source.failures[source.path_of(message)] = (2, HTTPStatus.NOT_FOUND)

    nifi.send(message)

    assert nifi.wait_landed(message) == HEADER


def test_interrupted_transfer_is_retried(nifi: NiFiServer, source: FakeChunkSource) -> None:
    content = _content(3 * BYTES_PER_MB)
    message = source.offer(content, dataset="broken")
    source.broken[source.path_of(message)] = 2

    nifi.send(message)

    assert nifi.wait_landed(message) == content
    assert source.hits[source.path_of(message)] == 3


def test_redirect_is_not_followed(nifi: NiFiServer, source: FakeChunkSource) -> None:
    message = source.offer(HEADER, dataset="redirected")
    elsewhere = source.offer(HEADER, dataset="elsewhere")
    source.redirects[source.path_of(message)] = elsewhere.api_endpoint

    nifi.send(message)

    assert "failure.detail=302" in nifi.wait_failed(message, "source_failed")
    assert source.hits[source.path_of(elsewhere)] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"api_endpoint": "http://169.254.169.254/latest/meta-data"},
        {"api_endpoint": f"http://127.0.0.1:1@example.org/chunks/{'0' * 32}/1/download/{FAKE_SIGNATURE}"},
        {"dataset_name": ".."},
        {"dataset_name": "../other"},
        {"filename": "a/b.csv"},
        {"sha256": "0" * 63},
        {"sha256": None},
    ],
    ids=str,
)
def test_invalid_message_is_refused(nifi: NiFiServer, source: FakeChunkSource, wrong: dict[str, str | None]) -> None:
    message = source.offer(HEADER)
    body = {**json.loads(message.to_bytes()), **wrong}

    nifi.post(json.dumps(body).encode())

    nifi.wait_failed(message, "invalid_message")
    assert not source.hits


@pytest.mark.parametrize("body", [b"{", b"", b'{"upload_id": 1}', b"id,text\r\n1,x\r\n"])
def test_invalid_body_goes_to_the_failure_path(nifi: NiFiServer, body: bytes) -> None:
    before = len(nifi.logged("failure.reason=invalid_message"))

    nifi.post(body)

    nifi.wait_logged("failure.reason=invalid_message", count=before + 1)
    nifi.wait_empty()


def test_chunks_are_queued_while_s3_is_down(nifi: NiFiServer, source: FakeChunkSource) -> None:
    messages = [source.offer(_content(10_000, seed=i), dataset="patient") for i in range(5)]
    nifi.minio.stop()
    try:
        for message in messages:
            nifi.send(message)
        nifi.wait_queued("Put the object", len(messages))
        nifi.wait_logged("ERROR", "PutS3Object", messages[0].filename)
    finally:
        nifi.minio.start()

    for message in messages:
        assert hashlib.sha256(nifi.wait_landed(message)).hexdigest() == message.sha256


def test_queued_chunk_survives_a_kill_of_nifi(nifi: NiFiServer, source: FakeChunkSource) -> None:
    message = source.offer(_content(10_000), dataset="survivor")
    nifi.minio.stop()
    try:
        nifi.send(message)
        nifi.wait_queued("Put the object", 1)
        nifi.kill()
    finally:
        nifi.minio.start()
        nifi.start()
        nifi.deploy()

    assert hashlib.sha256(nifi.wait_landed(message)).hexdigest() == message.sha256


def test_wrong_credentials_are_logged_and_lose_no_chunk(nifi: NiFiServer, source: FakeChunkSource) -> None:
    message = source.offer(_content(10_000), dataset="locked-out")
    right = nifi.parameters()
    nifi.deploy(parameters={**right, "s3.secret.key": "wrong"})
    try:
        nifi.send(message)
        nifi.wait_logged("ERROR", "PutS3Object", message.filename)
        nifi.wait_logged("SignatureDoesNotMatch")
        nifi.wait_queued("Put the object", 1)
    finally:
        nifi.deploy(parameters=right)

    assert hashlib.sha256(nifi.wait_landed(message)).hexdigest() == message.sha256
