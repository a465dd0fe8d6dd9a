"""A file system of fsspec on a boto3 client, for readers that take one."""

from __future__ import annotations

import io
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from fsspec import AbstractFileSystem

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


class BotoFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Reads whole objects at ``s3://``."""

    protocol = "s3"
    cachable = False

    def __init__(self, client: S3Client) -> None:
        super().__init__()
        self._client = client

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return name and size of an object.

        Raises:
            FileNotFoundError: there is none.
        """
        bucket, key = self._strip_protocol(path).split("/", 1)
        try:
            head = self._client.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            raise FileNotFoundError(path) from error
        found = {"name": f"{bucket}/{key}", "type": "file"}
        return {**found, "size": head["ContentLength"], "modified": head["LastModified"]}

    def modified(self, path: str) -> datetime:
        """Return when an object was written."""
        found: datetime = self.info(path)["modified"]
        return found

    def _open(self, path: str, **_: Any) -> io.BytesIO:
        bucket, key = self._strip_protocol(path).split("/", 1)
        return io.BytesIO(self._client.get_object(Bucket=bucket, Key=key)["Body"].read())
