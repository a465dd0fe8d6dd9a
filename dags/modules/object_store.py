"""The bucket, through the plain S3 API: is a chunk there as announced, and the manifest that completes an upload."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.manifest import Manifest
from contracts.message import ChunkMessage
from contracts.names import BUCKET_RAW, METADATA_SHA256, METADATA_UPLOAD_ID, manifest_key, object_key
from dags.modules.errors import ConfigurationError, StoreError, StoreRefusedError
from dags.modules.http_session import TRANSIENT_STATUSES
from dags.modules.settings import CONN_S3

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client

PARALLEL_LOOKS = 8
"""HEAD requests at the same time; a run has up to 500 chunks and a HEAD takes 2 to 50 ms."""


@dataclass(frozen=True, kw_only=True)
class ExpectedChunk:
    """What the object of a chunk must be.

    ``published_at`` (ISO 8601) is of the message that says so; None: a trigger of an older release is going on.
    """

    chunk_id: int
    key: str
    size_bytes: int
    sha256: str
    published_at: str | None = None

    @classmethod
    def of(cls, message: ChunkMessage) -> ExpectedChunk:
        """Return what ``message`` announces."""
        key = object_key(message.dataset_name, message.filename)
        return cls(
            chunk_id=message.chunk_id,
            key=key,
            size_bytes=message.size_bytes,
            sha256=message.sha256,
            published_at=message.published_at.isoformat(),
        )


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen of one chunk: ``fault`` says what is not (yet) as announced, ``evidence`` what was read."""

    chunk: ExpectedChunk
    fault: str | None
    evidence: dict[str, Any]


class ObjectStore:
    """One bucket."""

    def __init__(self, *, client: S3Client, bucket: str = BUCKET_RAW) -> None:
        self._client = client
        self.bucket = bucket

    def look(self, chunk: ExpectedChunk) -> Look:
        """Compare the object's size and its SHA-256 (user metadata) with what was announced.

        Raises:
            StoreError: the store does not answer, or refuses us.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            head = self._client.head_object(Bucket=self.bucket, Key=chunk.key)
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return Look(chunk=chunk, fault="there is no such object", evidence={})
            raise _refusal(error, f"HEAD {self.bucket}/{chunk.key}") from error
        except BotoCoreError as error:
            raise StoreError(f"HEAD {self.bucket}/{chunk.key}: {error}") from error
        evidence = {
            "bucket": self.bucket,
            "key": chunk.key,
            "size_bytes": head["ContentLength"],
            "sha256": head["Metadata"].get(METADATA_SHA256, ""),
            "etag": head["ETag"].strip('"'),
        }
        return Look(chunk=chunk, fault=_find_fault(chunk, evidence), evidence=evidence)

    def look_at_all(self, chunks: list[ExpectedChunk]) -> list[Look]:
        """Look at every chunk, some at a time, and return in the same order.

        Raises:
            StoreError: the store does not answer, or refuses us.
        """
        from concurrent.futures import ThreadPoolExecutor

        if len(chunks) == 1:
            return [self.look(chunks[0])]
        with ThreadPoolExecutor(PARALLEL_LOOKS, thread_name_prefix="s3-head") as pool:
            return list(pool.map(self.look, chunks))

    def put_manifest(self, manifest: Manifest) -> str:
        """Write the manifest's object and return its key; the same manifest again writes the same bytes.

        Raises:
            StoreError: the store does not answer, or refuses us.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        key = manifest_key(manifest.dataset_name, manifest.upload_id)
        body = manifest.model_dump_json(indent=1).encode()
        metadata = {METADATA_UPLOAD_ID: manifest.upload_id, METADATA_SHA256: hashlib.sha256(body).hexdigest()}
        try:
            self._client.put_object(
                Bucket=self.bucket, Key=key, Body=body, ContentType="application/json", Metadata=metadata
            )
        except ClientError as error:
            raise _refusal(error, f"PUT {self.bucket}/{key}") from error
        except BotoCoreError as error:
            raise StoreError(f"PUT {self.bucket}/{key}: {error}") from error
        return key


def _refusal(error: ClientError, what: str) -> StoreError:
    """Return the error for an answer of the store; one from 500 on, or a request to slow down, may pass by itself."""
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    refused = 300 <= status < 500 and status not in TRANSIENT_STATUSES
    return StoreRefusedError(f"{what}: {error}") if refused else StoreError(f"{what}: {error}")


def load_bucket(conn_id: str = CONN_S3) -> str:
    """Return the bucket's name from the connection, without a client."""
    from airflow.sdk import Connection

    return str(Connection.get(conn_id).extra_dejson.get("bucket") or BUCKET_RAW)


def open_store(conn_id: str = CONN_S3) -> ObjectStore:
    """Return the bucket that the connection describes.

    Raises:
        ConfigurationError: the connection has a key without a secret.
    """
    from airflow.sdk import Connection

    return connect_store(Connection.get(conn_id))


def connect_store(connection: Connection) -> ObjectStore:
    """Return the bucket of ``connection``, with path-style addresses.

    Raises:
        ConfigurationError: it has a key without a secret.
    """
    import boto3
    from botocore.config import Config

    extra = connection.extra_dejson
    if bool(connection.login) != bool(connection.password):
        raise ConfigurationError(
            f"connection {connection.conn_id} needs both login (access key) and password (secret key), or none"
        )
    client = boto3.client(
        "s3",
        endpoint_url=extra.get("endpoint_url"),
        region_name=extra.get("region_name") or "us-east-1",
        aws_access_key_id=connection.login or None,
        aws_secret_access_key=connection.password or None,
        verify=extra.get("verify"),
        config=Config(
            s3={"addressing_style": "path"},
            max_pool_connections=PARALLEL_LOOKS,
            connect_timeout=5,
            read_timeout=20,
            retries={"mode": "standard", "total_max_attempts": 3},
        ),
    )
    return ObjectStore(client=client, bucket=extra.get("bucket") or BUCKET_RAW)


def _find_fault(chunk: ExpectedChunk, evidence: dict[str, Any]) -> str | None:
    if evidence["size_bytes"] != chunk.size_bytes:
        return f"the object has {evidence['size_bytes']} bytes, announced were {chunk.size_bytes}"
    if evidence["sha256"] != chunk.sha256:
        return f"the object's SHA-256 is {evidence['sha256'] or 'not given'}, announced was {chunk.sha256}"
    return None
