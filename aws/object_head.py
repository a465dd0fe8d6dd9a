"""What an object store says about an object or a bucket, without its content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from aws.encryption import UNENCRYPTED, Encryption, encryption_of
from aws.endpoint_settings import EndpointSettings
from aws.errors import code_of, status_of
from aws.object_version import LOOK_AT_ENDPOINT, ObjectVersion, require_etag
from aws.payer import Payer, payer_argument
from aws.s3_errors import lacks_reason
from contracts.errors import SourceNotFoundError, StoreResponseError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_NOT_FOUND = 404


@dataclass(frozen=True, kw_only=True)
class ObjectHead:
    """The answer to HEAD.

    Attributes:
        version: size and ETag.
        metadata: that of the user, by names in lower case.
        encryption: how the object is encrypted, as :func:`aws.encryption.encryption_of` names it.
    """

    version: ObjectVersion
    metadata: Mapping[str, str]
    encryption: str


def find_object(
    client: S3Client,
    *,
    bucket: str,
    key: str,
    settings: EndpointSettings,
    payer: Payer = "",
    encryption: Encryption = UNENCRYPTED,
) -> ObjectHead | None:
    """Return what HEAD answers about an object, or None if the bucket has no such object.

    Raises:
        SourceNotFoundError: there is no such bucket, which HEAD of an object answers alike. The text names the address
            as ``settings`` does.
        StoreResponseError: the answer lacks the size or the ETag.
        ClientError, BotoCoreError, RecursionError, UnicodeError: the store does not answer or refuses.
    """
    try:
        return head_object(client, bucket=bucket, key=key, payer=payer, encryption=encryption)
    except ClientError as error:
        if status_of(error) != _NOT_FOUND:
            raise
        if not has_bucket(client, bucket):
            raise SourceNotFoundError(
                f"s3://{bucket}: there is no such bucket; check its name and {settings.address}"
            ) from error
    return None


def has_bucket(client: S3Client, bucket: str) -> bool:
    """Return whether the bucket exists.

    Raises:
        ClientError, BotoCoreError, RecursionError, UnicodeError: the store does not answer or refuses.
    """
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if status_of(error) != _NOT_FOUND:
            raise
        return False
    return True


def head_object(
    client: S3Client, *, bucket: str, key: str, payer: Payer = "", encryption: Encryption = UNENCRYPTED
) -> ObjectHead:
    """Return what HEAD answers about an object.

    An answer to HEAD has no body, and so no reason for a refusal. In that case a GET of one byte finds the reason.

    Raises:
        StoreResponseError: the answer lacks the size or the ETag.
        ClientError, BotoCoreError, RecursionError, UnicodeError: the store does not answer or refuses.
    """
    wanted: dict[str, Any] = {"Bucket": bucket, "Key": key, **payer_argument(payer), **encryption.read_arguments()}
    try:
        answer = client.head_object(**wanted)
    except ClientError as error:
        raise _with_reason(error, client, wanted) from error
    size_bytes = answer.get("ContentLength")
    if size_bytes is None:
        raise StoreResponseError(f"s3://{bucket}/{key}: the answer to HEAD has no Content-Length. {LOOK_AT_ENDPOINT}")
    version = ObjectVersion(
        size_bytes=int(size_bytes),
        etag=require_etag(answer.get("ETag"), f"s3://{bucket}/{key}"),
        encoding=answer.get("ContentEncoding", ""),
    )
    metadata = {name.lower(): value for name, value in answer.get("Metadata", {}).items()}
    return ObjectHead(version=version, metadata=metadata, encryption=encryption_of(answer))


def _with_reason(error: ClientError, client: S3Client, wanted: dict[str, Any]) -> ClientError:
    """Return the error that GET has if HEAD was refused without a reason; 404 needs none."""
    if not lacks_reason(error) or code_of(error) == "404":
        return error
    try:
        client.get_object(Range="bytes=0-0", **wanted)["Body"].close()
    except ClientError as reason:
        return error if code_of(reason) in {"416", "InvalidRange"} else reason
    return error
