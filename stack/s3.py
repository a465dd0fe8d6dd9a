"""S3 client for the stack's MinIO."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.component import StackContext

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def s3_client(context: StackContext, endpoint: str) -> S3Client:
    """Return a client of ``endpoint`` with the credentials of the stack's root user."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=context.secrets.minio_root_user,
        aws_secret_access_key=context.secrets.minio_root_password.get_secret_value(),
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 5, "mode": "standard"}),
    )
