"""Names that several services use: datasets, chunk files, objects, topics, DAGs."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from contracts.errors import InvalidDatasetNameError

BYTES_PER_MB = 1024 * 1024
"""Bytes of a MiB. Settings named ``…_MB`` count in it, as do those of NiFi and Kafka."""

TOPIC_INGEST = "csv-ingestion"
TOPIC_DEAD_LETTER = "csv-ingestion-dlq"
BUCKET_RAW = "raw"
DAG_LISTENER = "csv-ingestion-listener"
DAG_CHUNK_INGESTION = "csv-chunk-ingestion"
NIFI_PROCESS_GROUP = "csv-ingestion-raw-to-minio"
NIFI_PARAMETER_CONTEXT = "csv-ingestion"

METADATA_SHA256 = "sha256"
"""Name of an object's S3 user metadata that holds its SHA-256, as 64 hex digits."""
METADATA_UPLOAD_ID = "upload-id"
"""Name of an object's S3 user metadata that holds the id of its upload."""

HEADER_OBJECT_KEY = "X-CSVPipe-Object-Key"
"""Header of a chunk's download: the key of its object. The relay writes to this key only, not to one of the message."""
HEADER_SHA256 = "X-CSVPipe-SHA256"
"""Header of a chunk's download: the SHA-256 of the whole chunk file, as 64 hex digits."""
HEADER_SIZE_BYTES = "X-CSVPipe-Size-Bytes"
"""Header of a chunk's download: the size of the whole chunk file, also in the response to a range."""

DATASET_NAME_RULE = "1 to 128 characters, each a letter A-Z or a-z, a digit, '_', '.' or '-', and not only dots"
DATASET_NAME_PATTERN = r"^(?!\.+$)[A-Za-z0-9_.-]{1,128}$"
"""The rule as a regular expression of JSON Schema."""
_DATASET_NAME = re.compile(DATASET_NAME_PATTERN)
DATASETS_PATTERN = r"^[A-Za-z0-9_.-]*(\*[A-Za-z0-9_.-]*){0,3}$"
"""The form of a pattern of dataset names: the characters of a name, and up to three ``*`` for any characters."""
KEY_ID_PATTERN = r"^[a-z0-9]{8}$"
KEY_FORM = re.compile(r"csvp_([a-z0-9]{8})_([A-Za-z0-9_-]{43})")
"""A key of the uploader: its id, and its secret of 32 bytes in base64url."""
RESERVED_PREFIX = "_manifests"


def check_dataset_name(name: str) -> str:
    """Return ``name``.

    Raises:
        InvalidDatasetNameError: the name is not safe as a directory, an object key and a part of a URL.
    """
    if not _DATASET_NAME.fullmatch(name):
        raise InvalidDatasetNameError(
            f"dataset_name {name[:140]!r} is not allowed: {DATASET_NAME_RULE}", field="dataset_name"
        )
    return name


def timestamp(time: datetime) -> str:
    """Format ``time`` (timezone-aware) as in chunk names: UTC, ``20260131T235959123456Z``."""
    return time.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")


def chunk_filename(dataset_name: str, chunk_id: int, stamp: str) -> str:
    """Return ``{dataset}_chunk_{001}_{timestamp}.csv``; ``chunk_id`` starts at 1."""
    return numbered_filename(dataset_name, f"{chunk_id:03d}", stamp)


def numbered_filename(dataset_name: str, number: str, stamp: str) -> str:
    """Return the name of a chunk with ``number``, which may also be what stands for the numbers in a pattern."""
    return f"{dataset_name}_chunk_{number}_{stamp}.csv"


def chunk_stamp(dataset_name: str, chunk_id: int, filename: str) -> str:
    """Return the ``stamp`` in the name of a chunk. No other upload of the dataset has the same."""
    return filename.removeprefix(f"{dataset_name}_chunk_{chunk_id:03d}_").removesuffix(".csv")


def object_key(dataset_name: str, filename: str) -> str:
    """Return the key of a chunk's object in the bucket."""
    return f"{dataset_name}/{filename}"


def manifest_key(dataset_name: str, upload_id: str) -> str:
    """Return the key of the manifest that marks an upload as complete."""
    return f"{dataset_name}/{RESERVED_PREFIX}/{upload_id}.json"


def object_url(bucket: str, key: str) -> str:
    """Return ``s3://{bucket}/{key}``."""
    return f"s3://{bucket}/{key}"
