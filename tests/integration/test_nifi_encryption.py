"""Chunks that NiFi's flow encrypts, on a real S3 server with a KMS key, over HTTPS."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from aws.encryption import Encryption, EncryptionMode, encryption_of
from contracts.errors import SettingsError
from contracts.message import ChunkMessage
from contracts.names import BUCKET_RAW, BYTES_PER_MB, object_key
from dags.modules.object_store import ExpectedChunk, ObjectStore
from nifi.definition import FLOW_FILE
from nifi.encryption import KEY, STRATEGY, encryption_parameters
from nifi.errors import MissingParameterError
from nifi.export import export
from stack.encryption import KMS_KEY_NAME
from tests.support.nifi.fake_chunk_source import FakeChunkSource
from tests.support.nifi.server import NiFiServer
from tests.support.services import running_stack

MARK = b"a row that nobody may read on the disk"
CUSTOMER_KEY = b64encode(secrets.token_bytes(32)).decode()
VARIABLES: dict[EncryptionMode, dict[str, str]] = {
    EncryptionMode.NONE: {},
    EncryptionMode.SSE_S3: {},
    EncryptionMode.SSE_KMS: {"S3_KMS_KEY_ID": KMS_KEY_NAME},
    EncryptionMode.SSE_C: {"S3_SSE_C_KEY": CUSTOMER_KEY},
}


@pytest.fixture(scope="module")
def secure_nifi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NiFiServer]:
    """Give a NiFi that writes to an S3 server over HTTPS."""
    with running_stack(tmp_path_factory.mktemp("nifi"), ["minio", "nifi"], secure=True) as stack:
        yield NiFiServer(stack)


def encryption_in(mode: EncryptionMode) -> Encryption:
    """Return the encryption that :data:`VARIABLES` describe."""
    variables = VARIABLES[mode]
    return Encryption.from_settings(
        mode, kms_key_id=variables.get("S3_KMS_KEY_ID"), customer_key=variables.get("S3_SSE_C_KEY")
    )


def switch(nifi: NiFiServer, mode: EncryptionMode) -> None:
    """Deploy the flow with another encryption, as the variables of ``csvpipe nifi deploy`` do."""
    without = {name: value for name, value in nifi.parameters().items() if name not in {STRATEGY, KEY}}
    nifi.deploy(parameters={**without, **encryption_parameters({"S3_ENCRYPTION": mode, **VARIABLES[mode]})})


def land(nifi: NiFiServer, source: FakeChunkSource, content: bytes) -> ChunkMessage:
    """Send a chunk through the flow."""
    message = source.offer(content, dataset="encrypted")
    nifi.send(message)
    nifi.wait_logged("s3.encryptionStrategy=", f"chunk.upload_id={message.upload_id}")
    return message


def is_readable_on_disk(nifi: NiFiServer, message: ChunkMessage) -> bool:
    """Return whether a file of the S3 server has a row of the chunk as it is."""
    folder = nifi.stack.context.data_dir("minio") / BUCKET_RAW / object_key(message.dataset_name, message.filename)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return any(MARK in path.read_bytes() for path in files)


@pytest.mark.parametrize("mode", [*EncryptionMode, EncryptionMode.NONE])
def test_chunk_is_encrypted_as_the_parameters_say(
    secure_nifi: NiFiServer, source: FakeChunkSource, mode: EncryptionMode
) -> None:
    switch(secure_nifi, mode)
    content = b"id,text\n" + b"".join(b"%d,%s\n" % (number, MARK) for number in range(1000))

    message = land(secure_nifi, source, content)

    encryption = encryption_in(mode)
    client = secure_nifi.minio.client()
    check = ObjectStore(client=client, encryption=encryption).check(ExpectedChunk.of(message))
    assert (check.fault, check.evidence["encryption"]) == (None, mode)
    found = client.get_object(Bucket=BUCKET_RAW, Key=check.chunk.key, **encryption.read_arguments())
    assert found["Body"].read() == content
    assert is_readable_on_disk(secure_nifi, message) is (mode is EncryptionMode.NONE)
    assert secure_nifi.status().faults == []


@pytest.mark.parametrize("mode", [EncryptionMode.SSE_KMS, EncryptionMode.SSE_C])
def test_every_part_of_a_large_chunk_is_encrypted(
    secure_nifi: NiFiServer, source: FakeChunkSource, mode: EncryptionMode
) -> None:
    switch(secure_nifi, mode)

    message = land(secure_nifi, source, (MARK * (110 * BYTES_PER_MB // len(MARK) + 1))[: 110 * BYTES_PER_MB])

    client = secure_nifi.minio.client()
    check = ObjectStore(client=client, encryption=encryption_in(mode)).check(ExpectedChunk.of(message))
    assert (check.fault, check.evidence["encryption"]) == (None, mode)
    assert check.evidence["etag"].endswith("-3")
    assert not is_readable_on_disk(secure_nifi, message)


def test_wrong_encryption_is_refused_before_anything_changes(secure_nifi: NiFiServer, source: FakeChunkSource) -> None:
    switch(secure_nifi, EncryptionMode.SSE_S3)
    given = {**secure_nifi.parameters(), STRATEGY: "SSE_C"}
    with pytest.raises(MissingParameterError, match="S3_SSE_C_KEY"):
        secure_nifi.deploy(parameters=given)
    with pytest.raises(MissingParameterError, match="S3_KMS_KEY_ID"):
        secure_nifi.deploy(parameters={**given, STRATEGY: "SSE_KMS"})
    with pytest.raises(SettingsError, match=r"s3\.endpoint"):
        secure_nifi.deploy(parameters={**given, KEY: CUSTOMER_KEY, "s3.endpoint": "http://minio:9000"})
    with pytest.raises(SettingsError, match="S3_SSE_C_KEY"):
        secure_nifi.deploy(parameters={**given, KEY: "c2hvcnQ="})

    message = land(secure_nifi, source, MARK)

    key = object_key(message.dataset_name, message.filename)
    head = secure_nifi.minio.client().head_object(Bucket=BUCKET_RAW, Key=key)
    assert encryption_of(head) == EncryptionMode.SSE_S3


def test_key_stays_in_nifi_until_another_mode_needs_none(secure_nifi: NiFiServer, tmp_path: Path) -> None:
    switch(secure_nifi, EncryptionMode.SSE_C)
    without_key = {**secure_nifi.parameters(), STRATEGY: "SSE_C"}
    assert not secure_nifi.deploy(parameters=without_key).changed
    path = tmp_path / "flow.json"
    path.write_text(FLOW_FILE.read_text())
    export(url=secure_nifi.url, flow_file=path, access=secure_nifi.component.access())
    logs = secure_nifi.component.app_log.parent.rglob("*")
    assert not [file for file in (path, *logs) if file.is_file() and CUSTOMER_KEY in file.read_text(errors="replace")]

    switch(secure_nifi, EncryptionMode.NONE)

    context = secure_nifi.client().find_context("csv-ingestion")
    assert context is not None
    assert context.value_of(KEY) is None
