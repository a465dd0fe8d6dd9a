from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from aws.encryption import Encryption
from contracts.manifest import Manifest
from contracts.message import ChunkMessage
from dags.modules.errors import StoreError, StoreRefusedError
from dags.modules.object_store import ExpectedChunk, ObjectStore
from tests.support.dags.fake_server import Answer, FakeServer
from tests.support.dags.fake_uploader import FakeUploader

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

UPLOAD = "e" * 32
CUSTOMER_KEY = b64encode(bytes(32)).decode()


def put(store: ObjectStore, message: ChunkMessage, content: bytes, sha256: str | None = None) -> None:
    metadata = {"sha256": sha256 if sha256 is not None else message.sha256}
    store._client.put_object(Bucket="raw", Key=ExpectedChunk.of(message).key, Body=content, Metadata=metadata)


def test_matching_object_has_evidence_and_no_fault(moto_store: ObjectStore, fake_uploader: FakeUploader) -> None:
    (message,) = fake_uploader.add_upload(UPLOAD)
    put(moto_store, message, fake_uploader.contents[UPLOAD, 1])
    check = moto_store.check(ExpectedChunk.of(message))
    assert check.fault is None
    assert check.evidence | {"etag": ""} == {
        "bucket": "raw",
        "key": message.file_path.removeprefix("s3://raw/"),
        "size_bytes": message.size_bytes,
        "sha256": message.sha256,
        "etag": "",
        "encryption": "none",
    }


def test_manifest_is_encrypted_and_an_unencrypted_chunk_is_a_fault(
    moto_store: ObjectStore, fake_uploader: FakeUploader
) -> None:
    (message,) = fake_uploader.add_upload(UPLOAD)
    put(moto_store, message, fake_uploader.contents[UPLOAD, 1])
    store = ObjectStore(client=moto_store._client, encryption=Encryption.from_settings("sse-s3"))
    key = store.put_manifest(fake_uploader.manifest(UPLOAD))
    assert store._client.head_object(Bucket="raw", Key=key)["ServerSideEncryption"] == "AES256"
    check = store.check(ExpectedChunk.of(message))
    assert check.evidence["encryption"] == "none"
    assert "expected sse-s3" in (check.fault or "")


def test_missing_short_and_foreign_objects_are_faults(moto_store: ObjectStore, fake_uploader: FakeUploader) -> None:
    missing, short, foreign, bare = fake_uploader.add_upload(UPLOAD, chunks=4)
    put(moto_store, short, b"a")
    put(moto_store, foreign, fake_uploader.contents[UPLOAD, 3], sha256="0" * 64)
    put(moto_store, bare, fake_uploader.contents[UPLOAD, 4], sha256="")
    faults = [
        check.fault or ""
        for check in moto_store.check_all([ExpectedChunk.of(m) for m in (missing, short, foreign, bare)])
    ]
    assert "does not exist" in faults[0]
    assert "1 byte," in faults[1]
    assert "0000, expected" in faults[2]
    assert "not set" in faults[3]


def test_missing_bucket_is_a_missing_object_and_an_error_on_writes(
    moto_store: ObjectStore, fake_uploader: FakeUploader
) -> None:
    (message,) = fake_uploader.add_upload(UPLOAD)
    store = ObjectStore(client=moto_store._client, bucket="not-there")
    assert store.check(ExpectedChunk.of(message)).fault == "the object does not exist"
    with pytest.raises(StoreError, match="not-there"):
        store.put_manifest(fake_uploader.manifest(UPLOAD))


def test_manifest_written_twice_is_identical(moto_store: ObjectStore, fake_uploader: FakeUploader) -> None:
    fake_uploader.add_upload(UPLOAD, chunks=2)
    manifest = fake_uploader.manifest(UPLOAD)
    keys, tags = set(), set()
    for _ in range(2):
        keys.add(key := moto_store.put_manifest(manifest))
        answer = moto_store._client.get_object(Bucket="raw", Key=key)
        tags.add(answer["ETag"])
        assert Manifest.model_validate(json.loads(answer["Body"].read())) == manifest
        assert answer["Metadata"]["upload-id"] == UPLOAD
    assert keys == {f"flights/_manifests/{UPLOAD}.json"}
    assert len(tags) == 1


class RefusingS3(FakeServer):
    """Answers everything with one status."""

    status = 500

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        return self.status, b""

    def client(self) -> S3Client:
        """Return a client that sends each request once."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )


@pytest.mark.parametrize(
    ("status", "transient"), [(500, True), (503, True), (429, True), (403, False), (401, False), (400, False)]
)
def test_status_of_the_store_decides_whether_an_error_is_transient(
    fake_uploader: FakeUploader, status: int, transient: bool
) -> None:
    (message,) = fake_uploader.add_upload("d" * 32)
    with RefusingS3().running() as fake:
        fake.status = status
        store = ObjectStore(client=fake.client())
        with pytest.raises(StoreError) as caught:
            store.check(ExpectedChunk.of(message))
        assert caught.value.transient is transient
        with pytest.raises(StoreError) as caught:
            store.put_manifest(fake_uploader.manifest("d" * 32))
        assert caught.value.transient is transient


@pytest.mark.parametrize(
    ("status", "customer_key", "named"),
    [(400, CUSTOMER_KEY, "S3_ENCRYPTION=sse-c"), (403, CUSTOMER_KEY, "S3_SSE_C_KEY"), (400, None, "S3_SSE_C_KEY")],
    ids=["object-without-key", "another-key", "no-key"],
)
def test_refusal_for_the_customer_key_names_the_setting(
    fake_uploader: FakeUploader, status: int, customer_key: str | None, named: str
) -> None:
    (message,) = fake_uploader.add_upload("c" * 32)
    encryption = Encryption.from_settings("sse-c" if customer_key else "none", customer_key=customer_key)
    with RefusingS3().running() as fake:
        fake.status = status
        store = ObjectStore(client=fake.client(), encryption=encryption)
        with pytest.raises(StoreRefusedError, match=named):
            store.check(ExpectedChunk.of(message))
