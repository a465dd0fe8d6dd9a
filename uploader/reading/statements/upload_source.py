"""What a statement needs to know about an upload and its object store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from aws.encryption import EncryptionMode
from contracts.names import chunk_stamp, numbered_filename, object_key, object_url
from contracts.number_text import counted
from contracts.states import UploadState
from csvscan import UNKNOWN_8BIT, Strictness
from uploader.domain.records import ChunkRecord, UploadRecord
from uploader.reading.statements.file_start import FileStart
from uploader.settings import Settings

ACCESS_KEY, SECRET_KEY, CUSTOMER_KEY = "ACCESS_KEY", "SECRET_KEY", "CUSTOMER_KEY"
"""Placeholders; the last is for a key in base64."""
UNKNOWN_ENDPOINT = "https://S3_ADDRESS"
"""Placeholder for the address of the object store."""


@dataclass(frozen=True, kw_only=True)
class UploadSource:
    """An upload as a source of rows.

    Attributes:
        dataset: name of the dataset; letters, digits, ``_``, ``.`` and ``-`` only.
        bucket: name of the bucket.
        stamp: the part of the names of chunks that differs between the uploads of a dataset.
        objects: number of objects.
        rows: number of rows.
        is_landed: whether all objects are in the bucket.
        headers: names of the columns.
        delimiter: one ASCII character.
        encoding: Python's name of the encoding of the objects; None if it is unknown.
        is_ragged: whether rows with any number of fields were accepted.
        start: the lines up to the first row.
        endpoint: URL of the object store, or a placeholder.
        region: region of the bucket.
        has_customer_key: whether objects can be read only with a customer key (SSE-C).
    """

    dataset: str
    bucket: str
    stamp: str
    objects: int
    rows: int
    is_landed: bool
    headers: list[str]
    delimiter: str
    encoding: str | None
    is_ragged: bool
    start: FileStart
    endpoint: str
    region: str
    has_customer_key: bool

    @classmethod
    def of(cls, upload: UploadRecord, first: ChunkRecord, *, start: FileStart, settings: Settings) -> Self:
        """Return an upload, given its first chunk, as a source."""
        return cls(
            dataset=upload.dataset_name,
            bucket=upload.bucket,
            stamp=chunk_stamp(upload.dataset_name, first.chunk_id, first.filename),
            objects=upload.total_chunks,
            rows=upload.row_count,
            is_landed=upload.state is UploadState.LANDED,
            headers=upload.headers,
            delimiter=upload.delimiter,
            encoding=None if upload.encoding == UNKNOWN_8BIT else upload.encoding,
            is_ragged=upload.requested.get("strict") == Strictness.OFF,
            start=start,
            endpoint=settings.s3_public_endpoint or settings.s3_endpoint or UNKNOWN_ENDPOINT,
            region=settings.s3_region,
            has_customer_key=settings.s3_encryption is EncryptionMode.SSE_C,
        )

    @property
    def contents(self) -> str:
        """``336,776 rows in 12 objects``."""
        return f"{counted(self.rows, 'row')} in {counted(self.objects, 'object')}"

    @property
    def text_encoding(self) -> str:
        """Python's name of the encoding, Latin-1 if it is unknown: then every byte is read as some character."""
        return self.encoding or "iso8859-1"

    @property
    def is_utf8(self) -> bool:
        """Whether the objects can be read as UTF-8."""
        return self.text_encoding in {"utf-8", "ascii"}

    def url(self, number: str, *, scheme: str = "s3") -> str:
        """Return the URL of the object of a chunk.

        Args:
            number: the number of the chunk with at least three digits, or what stands for it in a format.
            scheme: the scheme of the URL.
        """
        return object_url(self.bucket, self.key(number)).replace("s3", scheme, 1)

    def key(self, number: str) -> str:
        """Return the key of the object of a chunk; ``number`` is as for :meth:`url`."""
        return object_key(self.dataset, numbered_filename(self.dataset, number, self.stamp))

    @property
    def folder_url(self) -> str:
        """URL of the folder that has the objects of all uploads of the dataset."""
        return object_url(self.bucket, object_key(self.dataset, ""))

    @property
    def endpoint_host(self) -> str:
        """Host and port of the object store."""
        return urlsplit(self.endpoint).netloc

    @property
    def has_tls(self) -> bool:
        """Whether the object store is reached by HTTPS."""
        return self.endpoint.startswith("https:")

    @property
    def is_in_a_cluster(self) -> bool:
        """Whether only pods of the same Kubernetes cluster know the name of the object store."""
        return "svc" in (urlsplit(self.endpoint).hostname or "").split(".")[1:]

    @property
    def is_amazon(self) -> bool:
        """Whether the object store is Amazon S3, whose address follows from the region."""
        return self.endpoint_host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def distinct_names(names: Iterable[str], *, fold: Callable[[str], str] = str.lower) -> list[str]:
    """Return names of columns that differ after ``fold``; a repeated name gets a number, an empty one its position."""
    found: dict[str, str] = {}
    for position, name in enumerate(names, start=1):
        base = name or f"column_{position}"
        candidate, number = base, 2
        while fold(candidate) in found:
            candidate, number = f"{base}_{number}", number + 1
        found[fold(candidate)] = candidate
    return list(found.values())
