"""Settings of the command line: addresses of the uploader and the object store."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from aws.encryption import Encryption, EncryptionMode
from contracts.names import BUCKET_RAW
from contracts.settings import EnvironmentSettings, reading_settings


class ClientSettings(EnvironmentSettings):
    """Addresses of the services.

    A value comes from the first of: the environment, ``.env``, the local stack where one runs, the default.
    """

    model_config = SettingsConfigDict(env_file=".env")

    csvpipe_url: str = Field("http://127.0.0.1:8000", pattern=r"^https?://", description="Address of the uploader.")
    s3_endpoint: str | None = Field(
        None, pattern=r"^https?://", description="Address of the object store; empty for Amazon S3."
    )
    s3_ca_file: str | None = Field(
        None, description="PEM file of certificates to trust for the object store instead of the public ones."
    )
    s3_bucket: str = Field(BUCKET_RAW, min_length=1, description="Bucket of the chunks.")
    s3_region: str = Field("us-east-1", description="Region of the bucket; MinIO accepts any.")
    s3_request_payer: Literal["", "requester"] = Field(
        "", description="requester: this account pays for reading another account's bucket."
    )
    aws_access_key_id: str | None = Field(
        None, description="Access key; empty for boto3's default credentials (profile, role of the machine)."
    )
    aws_secret_access_key: SecretStr | None = Field(None, description="Secret access key.")
    s3_encryption: EncryptionMode = Field(
        EncryptionMode.NONE,
        description="Encryption that objects must have: none (not checked), sse-s3, sse-kms or sse-c.",
    )
    s3_kms_key_id: str | None = Field(None, description="Id, ARN or alias of the KMS key, for sse-kms.")
    s3_sse_c_key: SecretStr | None = Field(None, description="Key for sse-c: 32 bytes in base64.")

    def encryption(self) -> Encryption:
        """Return the encryption of the objects.

        Raises:
            SettingsError: the settings of the encryption contradict each other, or a key is malformed.
        """
        return Encryption.from_settings(
            self.s3_encryption,
            kms_key_id=self.s3_kms_key_id,
            customer_key=self.s3_sse_c_key.get_secret_value() if self.s3_sse_c_key else None,
            endpoint=self.s3_endpoint,
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the local stack last, so that the user's values take precedence."""
        sources = super().settings_customise_sources(
            settings_cls, init_settings, env_settings, dotenv_settings, file_secret_settings
        )
        return *sources, LocalStackSource(settings_cls)


class LocalStackSource(PydanticBaseSettingsSource):
    """The addresses and credentials of the local stack, where one runs in this checkout."""

    def get_field_value(
        self,
        field: FieldInfo,  # noqa: ARG002  the base class names it
        field_name: str,
    ) -> tuple[Any, str, bool]:
        """Not used: :meth:`__call__` gives all values at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the settings that the running stack implies; empty where none runs."""
        from csvpipe.local_stack import client_values

        return client_values()


def load_settings(**overrides: str | None) -> ClientSettings:
    """Return the settings; an override that is not None wins over every other source.

    Raises:
        SettingsError: a value is not usable; the text names its variable.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    with reading_settings(ClientSettings, show_values=True):
        return ClientSettings(**given)  # type: ignore[arg-type]  # names are checked by pydantic
