"""Secrets of a stack, generated on its first start and kept until it is reset."""

from __future__ import annotations

import os
import secrets
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr, field_serializer

from stack.settings import StackSettings


class Secrets(BaseModel):
    """Credentials and keys that the services of a stack share."""

    model_config = ConfigDict(frozen=True)

    minio_root_user: str
    minio_root_password: SecretStr
    airflow_jwt_secret: SecretStr
    airflow_fernet_key: SecretStr
    nifi_sensitive_props_key: SecretStr

    @field_serializer("*", when_used="json")
    def _reveal(self, value: object) -> object:
        return value.get_secret_value() if isinstance(value, SecretStr) else value

    @classmethod
    def load_or_generate(cls, path: Path, settings: StackSettings) -> Self:
        """Read the secrets in ``path``, or generate and save them there, readable only by the owner.

        MinIO's root user and password in ``settings`` take precedence over the saved ones.
        """
        saved = cls.model_validate_json(path.read_text()) if path.exists() else cls._generate()
        given: dict[str, object] = {"minio_root_user": settings.minio_root_user}
        if settings.minio_root_password is not None:
            given["minio_root_password"] = settings.minio_root_password
        current = saved.model_copy(update=given)
        if not path.exists() or current != saved:
            current._save(path)
        return current

    @classmethod
    def _generate(cls) -> Self:
        return cls(
            minio_root_user="csvpipe",
            minio_root_password=SecretStr(secrets.token_urlsafe(24)),
            airflow_jwt_secret=SecretStr(secrets.token_urlsafe(64)),
            airflow_fernet_key=SecretStr(urlsafe_b64encode(os.urandom(32)).decode()),
            nifi_sensitive_props_key=SecretStr(secrets.token_urlsafe(24)),
        )

    def _save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(self.model_dump_json(indent=2))
