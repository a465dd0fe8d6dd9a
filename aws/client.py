"""Creates boto3 clients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self, overload

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3.client import S3Client


@dataclass(frozen=True, kw_only=True)
class ClientOptions:
    """Address, credentials and limits of a client.

    Attributes:
        region: region of the service; None for the region in AWS's own configuration.
        endpoint: URL of the service; None for that of AWS in the region.
        access_key_id, secret_access_key: the credentials; None to let boto3 find them (environment, profile, role).
        verify: False not to verify certificates, or the path of a CA bundle; None for the default.
        path_style: whether the bucket is in the path of the URL instead of its host, as MinIO needs it.
        connect_timeout_s, read_timeout_s: limits of a single try.
        attempts: number of tries of a request, the first one included.
        connections: number of connections kept open; None for the default.
    """

    region: str | None
    endpoint: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    verify: bool | str | None = None
    path_style: bool = False
    connect_timeout_s: float = 10
    read_timeout_s: float = 60
    attempts: int = 4
    connections: int | None = None

    @classmethod
    def with_short_timeouts(cls, *, region: str | None, endpoint: str | None) -> Self:
        """Return options for callers that retry themselves and must not wait long."""
        return cls(region=region, endpoint=endpoint, connect_timeout_s=2, read_timeout_s=3, attempts=2)


@overload
def open_client(service: Literal["s3"], options: ClientOptions) -> S3Client: ...
@overload
def open_client(service: Literal["dynamodb"], options: ClientOptions) -> DynamoDBClient: ...
@overload
def open_client(service: Literal["cloudwatch"], options: ClientOptions) -> CloudWatchClient: ...
def open_client(service: Any, options: ClientOptions) -> Any:  # the overloads have the types
    """Return a client of ``service``; nothing is sent yet. Threads may share it, but only one may create clients.

    Raises:
        BotoCoreError, ValueError: see :func:`aws.errors.translating_client_errors`.
    """
    import boto3  # takes 0.2 s, and DAG files are parsed without it
    from botocore.config import Config

    limits: dict[str, Any] = {} if options.connections is None else {"max_pool_connections": options.connections}
    config = Config(
        connect_timeout=options.connect_timeout_s,
        read_timeout=options.read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": options.attempts},
        s3={"addressing_style": "path"} if options.path_style else None,
        **limits,
    )
    return boto3.client(
        service,
        region_name=options.region or None,
        endpoint_url=options.endpoint or None,
        aws_access_key_id=options.access_key_id or None,
        aws_secret_access_key=options.secret_access_key or None,
        verify=options.verify,
        config=config,
    )
