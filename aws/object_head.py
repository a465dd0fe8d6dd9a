"""What an object store says about an object, without its content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws.encryption import Encryption
from aws.endpoint_settings import EndpointSettings
from aws.errors import status_of
from aws.s3_errors import REQUEST_ERRORS, final_s3_error
from contracts.errors import SourceNotFoundError, TemporaryFailureError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_NOT_FOUND = 404


@dataclass(frozen=True, kw_only=True)
class ObjectHead:
    """The answer to HEAD; ``metadata`` is that of the user, by names in lower case."""

    size_bytes: int
    metadata: Mapping[str, str]


def head_object(
    client: S3Client, *, bucket: str, key: str, settings: EndpointSettings, encryption: Encryption | None = None
) -> ObjectHead | None:
    """Return what the store says about an object, or None if the bucket has no such object.

    Errors name the caller's ``settings``.

    Raises:
        CsvPipeError: the store does not answer, refuses, or has no such bucket; the text says what to do.
    """
    from botocore.exceptions import ClientError

    name = f"s3://{bucket}/{key}"
    try:
        answer = client.head_object(Bucket=bucket, Key=key, **(encryption or Encryption()).read_arguments())
    except REQUEST_ERRORS as error:
        if isinstance(error, ClientError) and status_of(error) == _NOT_FOUND:
            _check_bucket(client, bucket, settings)
            return None
        raise final_s3_error(error, name, settings) or TemporaryFailureError(f"{name}: {error}") from error
    metadata = {each.lower(): value for each, value in answer["Metadata"].items()}
    return ObjectHead(size_bytes=answer["ContentLength"], metadata=metadata)


def _check_bucket(client: S3Client, bucket: str, settings: EndpointSettings) -> None:
    """Check that the bucket exists: the answer to HEAD of an object is the same if it does not."""
    from botocore.exceptions import ClientError

    name = f"s3://{bucket}"
    try:
        client.head_bucket(Bucket=bucket)
    except REQUEST_ERRORS as error:
        if isinstance(error, ClientError) and status_of(error) == _NOT_FOUND:
            raise SourceNotFoundError(
                f"{name}: there is no such bucket; check its name and {settings.address}"
            ) from error
        raise final_s3_error(error, name, settings) or TemporaryFailureError(f"{name}: {error}") from error
