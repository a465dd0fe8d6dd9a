"""An S3 client of the stack's MinIO."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws.client import ClientOptions, open_client
from stack.component import StackContext

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def s3_client(context: StackContext, endpoint: str) -> S3Client:
    """Return a client of ``endpoint`` with the credentials of the stack's root user."""
    options = ClientOptions(
        region="us-east-1",
        endpoint=endpoint,
        access_key_id=context.secrets.minio_root_user,
        secret_access_key=context.secrets.minio_root_password.get_secret_value(),
        verify=str(context.ca_file) if context.ca_file else None,
        path_style=True,
        connect_timeout_s=60,
        attempts=6,
    )
    return open_client("s3", options)
