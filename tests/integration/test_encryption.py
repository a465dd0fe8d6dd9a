"""Encrypted objects on a real S3 server: what the DAG writes and checks, and what ``csvpipe verify`` reads."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aws.encryption import Encryption, EncryptionMode, encryption_of
from contracts.exit_codes import ExitCode
from contracts.manifest import Manifest
from contracts.names import BUCKET_RAW, METADATA_SHA256, METADATA_UPLOAD_ID, chunk_stamp, manifest_key
from csvpipe.cli import main
from dags.modules.errors import StoreRefusedError
from dags.modules.object_store import ExpectedChunk, ObjectStore
from stack.encryption import KMS_KEY_NAME
from tests.support.s3.fake_bucket import lay_out
from tests.support.services import MinioServer, running_stack
from uploader.bucket.s3_lookup import S3Lookup
from uploader.bucket.s3_object_checker import S3ObjectChecker
from uploader.bucket.s3_object_reader import S3ObjectReader
from uploader.domain.chunk_object import ChunkObject
from uploader.errors import BucketUnavailableError
from uploader.reading.statements.file_start import FileStart
from uploader.reading.statements.polars_script import polars_script
from uploader.reading.statements.upload_source import UploadSource
from uploader.settings import Settings

MARK = "a row that nobody may read on the disk"
CUSTOMER_KEY = b64encode(secrets.token_bytes(32)).decode()
ANOTHER_KEY = b64encode(secrets.token_bytes(32)).decode()
THIRD_KEY = b64encode(secrets.token_bytes(32)).decode()
VARIABLES: dict[EncryptionMode, dict[str, str]] = {
    EncryptionMode.NONE: {},
    EncryptionMode.SSE_S3: {},
    EncryptionMode.SSE_KMS: {"S3_KMS_KEY_ID": KMS_KEY_NAME},
    EncryptionMode.SSE_C: {"S3_SSE_C_KEY": CUSTOMER_KEY},
}
Verify = Callable[..., int]


@pytest.fixture(scope="module")
def secure_minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinioServer]:
    """Give an S3 server with a KMS key, over HTTPS: SSE-C needs it."""
    with running_stack(tmp_path_factory.mktemp("minio"), ["minio"], secure=True) as stack:
        yield MinioServer(stack, "minio")


@pytest.fixture
def verify(secure_minio: MinioServer, monkeypatch: pytest.MonkeyPatch) -> Verify:
    """Run ``csvpipe verify`` with variables of the encryption, and return its exit code."""
    monkeypatch.setenv("S3_ENDPOINT", secure_minio.endpoint)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(secure_minio.stack.context.ca_file))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", secure_minio.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secure_minio.secret_key)

    def verify(upload_id: str, **variables: str) -> int:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as caught:
            main(["verify", upload_id])
        return int(caught.value.code or 0)

    return verify


def encryption_in(mode: EncryptionMode, **changes: str) -> Encryption:
    """Return the encryption that :data:`VARIABLES` describe."""
    variables = {**VARIABLES[mode], **changes}
    return Encryption.from_settings(
        mode, kms_key_id=variables.get("S3_KMS_KEY_ID"), customer_key=variables.get("S3_SSE_C_KEY")
    )


def land(minio: MinioServer, mode: EncryptionMode) -> Manifest:
    """Put the chunks and the manifest of an upload of the dataset into the bucket, in place of the previous one's."""
    manifest, laid_out = lay_out("number,text\n", [[f"{number},{MARK}\n" for number in range(1000)]])
    encryption = encryption_in(mode)
    for key, data in laid_out.objects.items():
        minio.client().put_object(
            Bucket=BUCKET_RAW, Key=key, Body=data, Metadata=laid_out.metadata[key], **encryption.write_arguments()
        )
    ObjectStore(client=minio.client(), encryption=encryption).put_manifest(manifest)
    return manifest


def expected(manifest: Manifest) -> ExpectedChunk:
    chunk = manifest.chunks[0]
    return ExpectedChunk(
        chunk_id=1, key=chunk.key, size_bytes=chunk.size_bytes, sha256=chunk.sha256, published_at="2026-01-31T00:00:00Z"
    )


def is_readable_on_disk(minio: MinioServer) -> bool:
    """Return whether a file of the server has a row of the chunk as it is."""
    files = minio.stack.context.data_dir("minio").joinpath(BUCKET_RAW).rglob("*")
    return any(MARK.encode() in path.read_bytes() for path in files if path.is_file())


@pytest.mark.parametrize("mode", EncryptionMode)
def test_objects_are_encrypted_checked_and_verified(
    secure_minio: MinioServer, verify: Verify, mode: EncryptionMode
) -> None:
    manifest, encryption = land(secure_minio, mode), encryption_in(mode)

    check = ObjectStore(client=secure_minio.client(), encryption=encryption).check(expected(manifest))

    assert (check.fault, check.evidence["encryption"]) == (None, mode)
    key = manifest_key(manifest.dataset_name, manifest.upload_id)
    head = secure_minio.client().head_object(Bucket=BUCKET_RAW, Key=key, **encryption.read_arguments())
    assert encryption_of(head) == mode
    assert head["Metadata"].keys() == {METADATA_SHA256, METADATA_UPLOAD_ID}
    assert is_readable_on_disk(secure_minio) is (mode is EncryptionMode.NONE)
    assert verify(manifest.upload_id, S3_ENCRYPTION=mode, **VARIABLES[mode]) == ExitCode.OK


def test_unencrypted_objects_do_not_pass_as_encrypted(
    secure_minio: MinioServer, verify: Verify, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = land(secure_minio, EncryptionMode.NONE)
    store = ObjectStore(client=secure_minio.client(), encryption=encryption_in(EncryptionMode.SSE_KMS))
    assert "expected sse-kms" in (store.check(expected(manifest)).fault or "")
    assert verify(manifest.upload_id, S3_ENCRYPTION="sse-s3") == ExitCode.CHECK_FAILED
    assert "the object's encryption is none, expected sse-s3 (S3_ENCRYPTION)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("stored", "variables", "named"),
    [
        (EncryptionMode.SSE_C, {}, "S3_SSE_C_KEY"),
        (EncryptionMode.SSE_C, {"S3_ENCRYPTION": "sse-c", "S3_SSE_C_KEY": ANOTHER_KEY}, "S3_SSE_C_KEY"),
        (EncryptionMode.SSE_S3, {"S3_ENCRYPTION": "sse-c", "S3_SSE_C_KEY": CUSTOMER_KEY}, "S3_ENCRYPTION=sse-c"),
    ],
    ids=["without-the-key", "with-another-key", "with-a-key-that-is-not-needed"],
)
def test_wrong_customer_key_is_an_error_that_names_the_setting(
    secure_minio: MinioServer,
    verify: Verify,
    capsys: pytest.CaptureFixture[str],
    stored: EncryptionMode,
    variables: dict[str, str],
    named: str,
) -> None:
    manifest = land(secure_minio, stored)
    mode = EncryptionMode(variables.get("S3_ENCRYPTION", "none"))
    changes: dict[str, Any] = {name: value for name, value in variables.items() if name != "S3_ENCRYPTION"}
    with pytest.raises(StoreRefusedError, match=named):
        ObjectStore(client=secure_minio.client(), encryption=encryption_in(mode, **changes)).check(expected(manifest))

    assert verify(manifest.upload_id, **variables) == ExitCode.CONFIGURATION
    shown = capsys.readouterr().err
    assert named in shown
    assert not [key for key in (CUSTOMER_KEY, ANOTHER_KEY) if key in shown]


@pytest.mark.parametrize("stored", [EncryptionMode.NONE, EncryptionMode.SSE_S3, EncryptionMode.SSE_C])
@pytest.mark.parametrize("now", [EncryptionMode.NONE, EncryptionMode.SSE_S3, EncryptionMode.SSE_C])
def test_uploader_reads_objects_that_were_stored_with_a_former_mode_or_key(
    secure_minio: MinioServer, stored: EncryptionMode, now: EncryptionMode
) -> None:
    """Otherwise it would not remove another chunk's file after such a change, nor show its rows."""
    manifest = land(secure_minio, stored)

    def find_fault(**changes: Any) -> str | None:
        given: dict[str, Any] = {
            "s3_endpoint": secure_minio.endpoint,
            "s3_ca_file": str(secure_minio.stack.context.ca_file),
            "aws_access_key_id": secure_minio.access_key,
            "aws_secret_access_key": secure_minio.secret_key,
            "s3_encryption": now,
            "s3_sse_c_key": ANOTHER_KEY if now is EncryptionMode.SSE_C else None,
        }
        settings = Settings(_env_file=None, **given, **changes)
        chunk = manifest.chunks[0]
        wanted = ChunkObject(bucket=BUCKET_RAW, key=chunk.key, size_bytes=chunk.size_bytes, sha256=chunk.sha256)
        lookup = S3Lookup.from_settings(settings)
        fault = S3ObjectChecker(lookup).find_fault(wanted)
        if fault is None:
            assert S3ObjectReader(lookup).read_start(wanted, 6) == b"number"
        return fault

    assert find_fault(s3_sse_c_old_keys=f"{THIRD_KEY},{CUSTOMER_KEY}") is None
    if stored is EncryptionMode.SSE_C:
        with pytest.raises(BucketUnavailableError) as refused:
            find_fault(s3_sse_c_old_keys=THIRD_KEY)
        assert not [key for key in (CUSTOMER_KEY, ANOTHER_KEY, THIRD_KEY) if key in refused.value.detail]
    else:
        assert find_fault() is None


@pytest.mark.parametrize("now", [{}, {"S3_ENCRYPTION": "sse-c", "S3_SSE_C_KEY": ANOTHER_KEY}], ids=["none", "another"])
def test_objects_of_a_former_customer_key_are_verified_with_it(
    secure_minio: MinioServer, verify: Verify, capsys: pytest.CaptureFixture[str], now: dict[str, str]
) -> None:
    manifest = land(secure_minio, EncryptionMode.SSE_C)
    assert verify(manifest.upload_id, **now, S3_SSE_C_OLD_KEYS=THIRD_KEY) == ExitCode.CONFIGURATION
    assert verify(manifest.upload_id, **now, S3_SSE_C_OLD_KEYS=f"{THIRD_KEY},{CUSTOMER_KEY}") == ExitCode.OK
    shown = capsys.readouterr()
    assert not [key for key in (CUSTOMER_KEY, ANOTHER_KEY, THIRD_KEY) if key in shown.out + shown.err]


def test_script_for_polars_reads_with_the_customer_key(
    secure_minio: MinioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = land(secure_minio, EncryptionMode.SSE_C)
    chunk = manifest.chunks[0]
    source = UploadSource(
        dataset=manifest.dataset_name,
        bucket=BUCKET_RAW,
        stamp=chunk_stamp(manifest.dataset_name, 1, chunk.filename),
        objects=1,
        rows=manifest.row_count,
        is_landed=True,
        headers=manifest.headers,
        delimiter=manifest.delimiter,
        encoding=manifest.encoding,
        is_ragged=False,
        start=FileStart.assumed(manifest.headers),
        endpoint=secure_minio.endpoint,
        region="us-east-1",
        has_customer_key=True,
    )
    script = polars_script(source).replace("ACCESS_KEY", secure_minio.access_key)
    script = script.replace("SECRET_KEY", secure_minio.secret_key).replace("CUSTOMER_KEY", CUSTOMER_KEY)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(secure_minio.stack.context.ca_file))
    variables: dict[str, Any] = {}
    exec(script, variables)
    assert variables["frame"].rows() == [(str(number), MARK) for number in range(1000)]
