"""S3 bucket of the chunks: check landed objects, write manifests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws.client import ClientOptions, open_client
from aws.encryption import UNENCRYPTED, Encryption, EncryptionMode, SettingNames, encryption_of
from contracts.errors import SettingsError
from contracts.manifest import Manifest
from contracts.message import ChunkMessage
from contracts.names import BUCKET_RAW, METADATA_SHA256, METADATA_UPLOAD_ID, manifest_key, object_key
from contracts.number_text import counted, format_count
from contracts.tls_faults import TlsPeer
from dags.modules.errors import ConfigurationError, StoreError, StoreRefusedError
from dags.modules.http_session import TRANSIENT_STATUSES
from dags.modules.settings import CONN_S3

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from botocore.exceptions import BotoCoreError, ClientError
    from mypy_boto3_s3 import S3Client

PARALLEL_CHECKS = 8
"""Concurrent HEAD requests. A run has up to 500 chunks, and a HEAD takes 2 to 50 ms."""


@dataclass(frozen=True, kw_only=True)
class ExpectedChunk:
    """The object that a chunk must become.

    ``published_at`` (ISO 8601) is the time of its message.
    """

    chunk_id: int
    key: str
    size_bytes: int
    sha256: str
    published_at: str

    @classmethod
    def of(cls, message: ChunkMessage) -> ExpectedChunk:
        """Return the object that ``message`` announces."""
        key = object_key(message.dataset_name, message.filename)
        return cls(
            chunk_id=message.chunk_id,
            key=key,
            size_bytes=message.size_bytes,
            sha256=message.sha256,
            published_at=message.published_at.isoformat(),
        )


@dataclass(frozen=True, kw_only=True)
class ObjectCheck:
    """The result of a check: ``fault`` is the mismatch, if there is one; ``evidence`` is the object's metadata."""

    chunk: ExpectedChunk
    fault: str | None
    evidence: dict[str, Any]


class ObjectStore:
    """A bucket."""

    def __init__(self, *, client: S3Client, bucket: str = BUCKET_RAW, encryption: Encryption = UNENCRYPTED) -> None:
        self._client = client
        self.bucket = bucket
        self._encryption = encryption

    def check(self, chunk: ExpectedChunk) -> ObjectCheck:
        """Compare the object's size, SHA-256 (user metadata) and encryption with what is expected.

        Raises:
            StoreError: The store does not answer, or refused the request.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            head = self._client.head_object(Bucket=self.bucket, Key=chunk.key, **self._encryption.read_arguments())
        except ClientError as error:
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            if status == 404:
                return ObjectCheck(chunk=chunk, fault="the object does not exist", evidence={})
            hint = self._encryption.explain_refusal(status)
            raise _store_error(error, f"HEAD {self.bucket}/{chunk.key}", hint) from error
        except BotoCoreError as error:
            raise _no_answer(error, f"HEAD {self.bucket}/{chunk.key}") from error
        encryption = encryption_of(head)
        evidence = {
            "bucket": self.bucket,
            "key": chunk.key,
            "size_bytes": head["ContentLength"],
            "sha256": head["Metadata"].get(METADATA_SHA256, ""),
            "etag": head["ETag"].strip('"'),
            "encryption": encryption,
        }
        fault = _find_mismatch(chunk, evidence) or self._encryption.find_fault(encryption)
        return ObjectCheck(chunk=chunk, fault=fault, evidence=evidence)

    def check_all(self, chunks: list[ExpectedChunk]) -> list[ObjectCheck]:
        """Check all chunks, several at a time. Return the results in the order of ``chunks``.

        Raises:
            StoreError: The store does not answer, or refused the request.
        """
        from concurrent.futures import ThreadPoolExecutor

        if len(chunks) == 1:
            return [self.check(chunks[0])]
        with ThreadPoolExecutor(PARALLEL_CHECKS, thread_name_prefix="s3-head") as pool:
            return list(pool.map(self.check, chunks))

    def put_manifest(self, manifest: Manifest) -> str:
        """Write the manifest's object and return its key. The same manifest always gives the same bytes.

        Raises:
            StoreError: The store does not answer, or refused the request.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        key = manifest_key(manifest.dataset_name, manifest.upload_id)
        body = manifest.model_dump_json(indent=1).encode()
        metadata = {METADATA_UPLOAD_ID: manifest.upload_id, METADATA_SHA256: hashlib.sha256(body).hexdigest()}
        try:
            self._client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=body,
                ContentType="application/json",
                Metadata=metadata,
                **self._encryption.write_arguments(),
            )
        except ClientError as error:
            raise _store_error(error, f"PUT {self.bucket}/{key}") from error
        except BotoCoreError as error:
            raise _no_answer(error, f"PUT {self.bucket}/{key}") from error
        return key


def _no_answer(error: BotoCoreError, request: str) -> StoreError:
    """Return the error for a request without a response. A certificate that is refused does not pass by itself."""
    peer = TlsPeer(
        address=str(error.kwargs.get("endpoint_url")),
        address_setting=f"endpoint_url of connection {CONN_S3}",
        ca_setting=f"verify of connection {CONN_S3}",
    )
    fault = peer.describe(error)
    return (
        StoreError(f"{request} failed: {error}") if fault is None else StoreRefusedError(f"{request} failed: {fault}")
    )


def _store_error(error: ClientError, request: str, hint: str | None = None) -> StoreError:
    """Return the error for a response of the store. Statuses from 500 up and requests to slow down are transient."""
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    text = f"{request} failed: {error}" + (f". Here {hint}" if hint else "")
    refused = 300 <= status < 500 and status not in TRANSIENT_STATUSES
    return StoreRefusedError(text) if refused else StoreError(text)


def load_bucket(conn_id: str = CONN_S3) -> str:
    """Return the bucket's name from the connection, without opening a client."""
    from airflow.sdk import Connection

    return str(Connection.get(conn_id).extra_dejson.get("bucket") or BUCKET_RAW)


def open_store(conn_id: str = CONN_S3) -> ObjectStore:
    """Return the bucket of the connection ``conn_id``.

    Raises:
        ConfigurationError: The connection has a key without a secret, or its encryption is wrong.
    """
    from airflow.sdk import Connection

    return connect_store(Connection.get(conn_id))


def connect_store(connection: Connection) -> ObjectStore:
    """Return the bucket of ``connection``, with path-style addresses.

    Raises:
        ConfigurationError: The connection has a key without a secret, or its encryption is wrong.
    """
    extra = connection.extra_dejson
    if bool(connection.login) != bool(connection.password):
        raise ConfigurationError(
            f"connection {connection.conn_id} needs both login (access key) and password (secret key), or neither"
        )
    encryption = _encryption(connection.conn_id, extra)
    options = ClientOptions(
        region=extra.get("region_name") or "us-east-1",
        endpoint=extra.get("endpoint_url"),
        access_key_id=connection.login,
        secret_access_key=connection.password,
        verify=extra.get("verify"),
        path_style=True,
        connect_timeout_s=5,
        read_timeout_s=20,
        attempts=3,
        connections=PARALLEL_CHECKS,
    )
    client = open_client("s3", options)
    return ObjectStore(client=client, bucket=extra.get("bucket") or BUCKET_RAW, encryption=encryption)


def _encryption(conn_id: str, extra: dict[str, Any]) -> Encryption:
    """Return the encryption in the extra of a connection. The key is masked in the logs of the task.

    Raises:
        ConfigurationError: A value is missing or invalid.
    """
    from airflow.sdk.log import mask_secret

    key = extra.get("sse_c_key")
    if key:
        mask_secret(key)
    where = f"connection {conn_id}: extra "
    names = SettingNames(
        mode=f"{where}encryption",
        kms_key_id=f"{where}kms_key_id",
        customer_key=f"{where}sse_c_key",
        endpoint=f"{where}endpoint_url",
    )
    try:
        return Encryption.from_settings(
            extra.get("encryption") or EncryptionMode.NONE,
            kms_key_id=extra.get("kms_key_id"),
            customer_key=key,
            endpoint=extra.get("endpoint_url"),
            names=names,
        )
    except SettingsError as error:
        raise ConfigurationError(error.detail) from error


def _find_mismatch(chunk: ExpectedChunk, evidence: dict[str, Any]) -> str | None:
    if evidence["size_bytes"] != chunk.size_bytes:
        return f"the object has {counted(evidence['size_bytes'], 'byte')}, expected {format_count(chunk.size_bytes)}"
    if evidence["sha256"] != chunk.sha256:
        return f"the object's SHA-256 is {evidence['sha256'] or 'not set'}, expected {chunk.sha256}"
    return None
