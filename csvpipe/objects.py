"""Reading the bucket through the plain S3 API: MinIO, Amazon S3, or any other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from csvpipe.exits import ConfigurationError, UnavailableError
from csvpipe.proof import ObjectLostError, StoredObject
from csvpipe.settings import ClientSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCK_BYTES = 1024 * 1024
BROKEN_READS_ALLOWED = 5
"""How often in a row one object's stream may break off before it is given up; each time it goes on at the byte."""

_CHANGES = {"NoSuchKey": "deleted", "PreconditionFailed": "replaced"}


@dataclass
class _Place:
    """How far the reading of one object has come."""

    byte: int = 0
    etag: str = ""
    broken: int = 0
    at_end: bool = False


class S3Objects:
    """The objects of one bucket."""

    def __init__(self, client: S3Client, *, bucket: str, address: str) -> None:
        """Read ``bucket`` through ``client``; ``address`` is for error messages."""
        self._client = client
        self._bucket = bucket
        self._address = address
        self._bucket_is_known = False

    def stat(self, key: str) -> StoredObject | None:
        """Return the object's size and metadata, or None where there is no such object.

        Raises:
            UnavailableError: the object store does not answer.
            ConfigurationError: it refuses the credentials, or there is no such bucket.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"404", "NoSuchKey", "NotFound"}:
                self._check_bucket()
                return None
            raise self._translate(error) from error
        except BotoCoreError as error:
            raise self._translate(error) from error
        return StoredObject(size_bytes=answer["ContentLength"], metadata=answer["Metadata"])

    def _check_bucket(self) -> None:
        """Tell a missing object from a missing bucket, which HEAD of an object answers alike; asked once."""
        from botocore.exceptions import BotoCoreError, ClientError

        if self._bucket_is_known:
            return
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except (BotoCoreError, ClientError) as error:
            raise self._translate(error) from error
        self._bucket_is_known = True

    def read(self, key: str) -> Iterator[bytes]:
        """Give the object's bytes in blocks; a connection that breaks off is taken up again at its byte.

        boto3 retries a request, never a body. The ETag makes sure that it is the same object still.

        Raises:
            ObjectLostError: it is not there any more, or another one has taken its place meanwhile.
            UnavailableError: the stream broke off too often.
            ConfigurationError: the object store refuses the credentials, or there is no such bucket.
        """
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        place = _Place()
        while not place.at_end:
            try:
                for block in self._read_on(key, place):
                    place.byte, place.broken = place.byte + len(block), 0
                    yield block
                place.at_end = True
            except ClientError as error:
                if (change := _CHANGES.get(error.response["Error"]["Code"])) is not None:
                    raise ObjectLostError(f"it was {change} while it was read", key=key) from error
                raise self._translate(error) from error
            except (BotoCoreError, HTTPError) as error:
                place.broken += 1
                if place.broken > BROKEN_READS_ALLOWED:
                    raise self._translate(error) from error

    def _read_on(self, key: str, place: _Place) -> Iterator[bytes]:
        if place.byte == 0:
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            place.etag = answer["ETag"]
        else:
            answer = self._client.get_object(
                Bucket=self._bucket, Key=key, IfMatch=place.etag, Range=f"bytes={place.byte}-"
            )
        return answer["Body"].iter_chunks(BLOCK_BYTES)

    def keys(self, prefix: str) -> Iterator[str]:
        """Give every key that begins with ``prefix``."""
        yield from (entry for page in self._pages(prefix, "") for entry in page[0])

    def folders(self) -> Iterator[str]:
        """Give the first part of every key, with its slash: one for each dataset."""
        yield from (entry for page in self._pages("", "/") for entry in page[1])

    def _pages(self, prefix: str, delimiter: str) -> Iterator[tuple[list[str], list[str]]]:
        from botocore.exceptions import BotoCoreError, ClientError

        pages = self._client.get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, Delimiter=delimiter):
                keys = [entry["Key"] for entry in page.get("Contents", [])]
                yield keys, [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        except (BotoCoreError, ClientError) as error:
            raise self._translate(error) from error

    def _translate(self, error: Exception) -> UnavailableError | ConfigurationError:
        from botocore.exceptions import ClientError, NoCredentialsError

        where = f"bucket {self._bucket!r} at {self._address}"
        if isinstance(error, NoCredentialsError):
            return ConfigurationError(f"no credentials for {where}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        if isinstance(error, ClientError):
            said = error.response["Error"]
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status in {400, 401, 403, 404}:
                return ConfigurationError(
                    f"{where} answers {status} {said['Code']}: {said.get('Message', '')}. Look at S3_BUCKET, "
                    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                )
        return UnavailableError(f"{where} cannot be read: {error}. Is S3_ENDPOINT right?")


def connect(settings: ClientSettings) -> S3Objects:
    """Return the bucket that ``settings`` name; nothing is sent yet."""
    import boto3
    from botocore.config import Config

    secret = settings.aws_secret_access_key
    client = boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint or None,
        region_name=settings.s3_region,
        aws_access_key_id=settings.aws_access_key_id or None,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"max_attempts": 4, "mode": "standard"},
            s3={"addressing_style": "path" if settings.s3_endpoint else "auto"},
        ),
    )
    return S3Objects(client, bucket=settings.s3_bucket, address=settings.s3_endpoint or "Amazon S3")
