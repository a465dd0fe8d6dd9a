"""What PutS3Object tells of its work, be it Apache's or the stand-in: observed on Apache's 2.3.0, held for both."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import pytest

from contracts.message import ChunkMessage
from contracts.names import BYTES_PER_MB, object_key
from tests.support.chunk_source import FakeChunkSource
from tests.support.nifi import QUICK, NiFiServer

GIVES_UP = {**QUICK, "Put the object": {**QUICK["Put the object"], "retryCount": 1}}


@pytest.fixture
def giving_up(nifi: NiFiServer) -> Iterator[NiFiServer]:
    """Give NiFi with an S3 step that gives up, so that its failure attributes come to light."""
    try:
        nifi.deploy(scheduling=GIVES_UP)
        yield nifi
    finally:
        nifi.deploy()


def _attributes(line: str) -> dict[str, str]:
    """Return the attributes of a line that LogAttribute wrote."""
    return dict(re.findall(r"([\w.-]+)=(.*?)(?:, (?=[\w.-]+=)|}$)", line))


def _landed(nifi: NiFiServer, message: ChunkMessage) -> dict[str, str]:
    return _attributes(nifi.wait_logged("s3.etag=", f"chunk.upload_id={message.upload_id}")[0])


def test_one_part_is_described(nifi: NiFiServer, source: FakeChunkSource) -> None:
    content = b"id\n1\n"
    message = source.offer(content, dataset="contract")

    nifi.send(message)

    told = _landed(nifi, message)
    assert told["s3.apimethod"] == "putobject"
    assert told["s3.bucket"] == "raw"
    assert told["s3.key"] == object_key("contract", message.filename)
    assert told["s3.etag"] == hashlib.md5(content).hexdigest()
    assert told["s3.storeClass"] == "STANDARD"
    assert told["s3.url"] == f"{nifi.minio.endpoint}/raw/contract/{message.filename}"


def test_parts_are_described(nifi: NiFiServer, source: FakeChunkSource) -> None:
    message = source.offer(bytes(110 * BYTES_PER_MB), dataset="contract")

    nifi.send(message)

    told = _landed(nifi, message)
    assert told["s3.apimethod"] == "multipartupload"
    assert told["s3.etag"].endswith("-3")
    assert told["s3.uploadId"]


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"s3.bucket": "no-such-bucket"}, "404", "NoSuchBucket"),
        ({"s3.secret.key": "wrong"}, "403", "SignatureDoesNotMatch"),
    ],
    ids=["bucket", "secret"],
)
def test_refusal_of_s3_is_described(
    giving_up: NiFiServer, source: FakeChunkSource, wrong: dict[str, str], status: str, code: str
) -> None:
    giving_up.deploy(parameters={**giving_up.parameters(), **wrong}, scheduling=GIVES_UP)
    message = source.offer(b"id\n1\n", dataset="contract")

    giving_up.send(message)

    told = _attributes(giving_up.wait_failed(message, "s3_failed"))
    assert (told["s3.statusCode"], told["s3.errorCode"]) == (status, code)
    assert told["s3.exception"] == "com.amazonaws.services.s3.model.AmazonS3Exception"
    assert told["s3.errorMessage"]
    assert not {"s3.bucket", "s3.etag"} & told.keys()


def test_s3_that_is_away_is_described(giving_up: NiFiServer, source: FakeChunkSource) -> None:
    message = source.offer(b"id\n1\n", dataset="contract")
    giving_up.minio.stop()
    try:
        giving_up.send(message)
        told = _attributes(giving_up.wait_failed(message, "s3_failed"))
    finally:
        giving_up.minio.start()

    assert told["s3.exception"] == "com.amazonaws.SdkClientException"
    assert not {"s3.statusCode", "s3.errorCode"} & told.keys()


def test_given_encryption_is_asked_for(giving_up: NiFiServer, source: FakeChunkSource) -> None:
    encrypted = {**giving_up.parameters(), "s3.server.side.encryption": "AES256"}
    giving_up.deploy(parameters=encrypted, scheduling=GIVES_UP)
    message = source.offer(b"id\n1\n", dataset="contract")

    giving_up.send(message)

    told = _attributes(giving_up.wait_failed(message, "s3_failed"))
    assert told["s3.errorCode"] in {"NotImplemented", "InvalidArgument"}, "a MinIO without a key service refuses it"
