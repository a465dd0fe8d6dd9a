"""Secrets of a stack, generated on its first start and kept until it is reset."""

from __future__ import annotations

import json
import secrets
import string
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr, field_serializer

from stack.private_file import write_private
from stack.settings import StackSettings


class Secrets(BaseModel):
    """Credentials and keys that the services of a stack share."""

    model_config = ConfigDict(frozen=True)

    minio_root_user: str
    minio_root_password: SecretStr
    airflow_jwt_secret: SecretStr
    airflow_fernet_key: SecretStr
    airflow_admin_password: SecretStr
    nifi_sensitive_props_key: SecretStr
    nifi_keystore_password: SecretStr
    minio_kms_key: SecretStr
    s3_customer_key: SecretStr
    kafka_admin_password: SecretStr
    kafka_uploader_password: SecretStr
    kafka_airflow_password: SecretStr
    kafka_monitoring_password: SecretStr
    admin_key: SecretStr
    relay_key: SecretStr
    client_key: SecretStr

    def kafka_password(self, user: str) -> SecretStr:
        """Return the password of a user of Kafka (see :mod:`stack.kafka_users`)."""
        password: SecretStr = getattr(self, f"kafka_{user}_password")
        return password

    @field_serializer("*", when_used="json")
    def _reveal(self, value: object) -> object:
        return value.get_secret_value() if isinstance(value, SecretStr) else value

    @classmethod
    def load_or_generate(cls, path: Path, settings: StackSettings) -> Self:
        """Read the secrets in ``path``. Generate the missing ones and save them there, readable only by the owner.

        MinIO's root user and password in ``settings`` take precedence over the saved ones.
        """
        saved = json.loads(path.read_text()) if path.exists() else {}
        complete = cls.model_validate({**cls._generate().model_dump(mode="json"), **saved})
        given: dict[str, object] = {"minio_root_user": settings.minio_root_user}
        if settings.minio_root_password is not None:
            given["minio_root_password"] = settings.minio_root_password
        current = complete.model_copy(update=given)
        if current.model_dump(mode="json") != saved:
            write_private(path, current.model_dump_json(indent=2))
        return current

    @classmethod
    def _generate(cls) -> Self:
        return cls(
            minio_root_user="csvpipe",
            minio_root_password=SecretStr(secrets.token_urlsafe(24)),
            airflow_jwt_secret=SecretStr(secrets.token_urlsafe(64)),
            airflow_fernet_key=SecretStr(urlsafe_b64encode(secrets.token_bytes(32)).decode()),
            airflow_admin_password=SecretStr(secrets.token_urlsafe(24)),
            nifi_sensitive_props_key=SecretStr(secrets.token_urlsafe(24)),
            nifi_keystore_password=SecretStr(secrets.token_urlsafe(24)),
            minio_kms_key=SecretStr(b64encode(secrets.token_bytes(32)).decode()),
            s3_customer_key=SecretStr(b64encode(secrets.token_bytes(32)).decode()),
            kafka_admin_password=SecretStr(secrets.token_urlsafe(24)),
            kafka_uploader_password=SecretStr(secrets.token_urlsafe(24)),
            kafka_airflow_password=SecretStr(secrets.token_urlsafe(24)),
            kafka_monitoring_password=SecretStr(secrets.token_urlsafe(24)),
            admin_key=_generate_api_key(),
            relay_key=_generate_api_key(),
            client_key=_generate_api_key(),
        )


def _generate_api_key() -> SecretStr:
    """Return a key of the uploader's form, ``csvp_<id>_<secret>``."""
    key_id = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8))
    return SecretStr(f"csvp_{key_id}_{secrets.token_urlsafe(32)}")
