"""Settings of the bucket of the chunks, the same for every program that looks into it."""

from __future__ import annotations

from pydantic import Field, SecretStr

from aws.client import ClientOptions
from aws.encryption import Encryption, EncryptionMode, former_encryptions
from aws.endpoint_settings import EndpointSettings
from contracts.settings import EnvironmentSettings

BUCKET_ENDPOINT = EndpointSettings(address="S3_ENDPOINT", region="S3_REGION", ca="S3_CA_FILE")
"""Names of the settings of the object store, for errors."""


class BucketSettings(EnvironmentSettings):
    """Where the object store is, who asks it, and how its objects are encrypted.

    A settings class that derives from it has these settings.
    """

    s3_endpoint: str | None = Field(
        None, pattern=r"^https?://", description="URL of the object store; empty for Amazon S3."
    )
    s3_region: str = Field("us-east-1", description="Region of the bucket; MinIO accepts any.")
    s3_ca_file: str | None = Field(
        None, description="PEM file of certificates to trust for S3_ENDPOINT instead of the public ones."
    )
    aws_access_key_id: str | None = Field(
        None, description="Access key; empty for boto3's default credentials (profile, role of the machine)."
    )
    aws_secret_access_key: SecretStr | None = Field(None, description="Secret access key.")
    s3_encryption: EncryptionMode = Field(
        EncryptionMode.NONE,
        description="Encryption of the objects: none, sse-s3, sse-kms or sse-c. csvpipe verify checks it, except none.",
    )
    s3_kms_key_id: str | None = Field(None, description="Id, ARN or alias of the KMS key, for sse-kms.")
    s3_sse_c_key: SecretStr | None = Field(None, description="Key for sse-c: 32 bytes in base64.")
    s3_sse_c_old_keys: SecretStr | None = Field(
        None, description="Former keys for sse-c, separated by commas, with which older objects are read."
    )

    def encryption(self) -> Encryption:
        """Return the encryption of the objects.

        Raises:
            SettingsError: the settings of the encryption contradict each other, or a key is malformed.
        """
        return Encryption.from_settings(
            self.s3_encryption,
            kms_key_id=self.s3_kms_key_id,
            customer_key=_text(self.s3_sse_c_key),
            endpoint=self.s3_endpoint,
        )

    def former_encryptions(self) -> tuple[Encryption, ...]:
        """Return what else objects can be read with (see :func:`aws.encryption.former_encryptions`).

        Raises:
            SettingsError: as :meth:`encryption` does.
        """
        old_keys = _text(self.s3_sse_c_old_keys)
        return former_encryptions(self.encryption(), old_keys, endpoint=self.s3_endpoint)

    def s3_client_options(self) -> ClientOptions:
        """Return the options of a client of the object store, with the default limits."""
        return ClientOptions(
            region=self.s3_region,
            endpoint=self.s3_endpoint,
            access_key_id=self.aws_access_key_id,
            secret_access_key=_text(self.aws_secret_access_key),
            verify=self.s3_ca_file,
            path_style=bool(self.s3_endpoint),
        )


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
