"""Secrets that are made for one stack and stay the same until it is reset."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr, field_serializer

from stack.settings import StackSettings


class Secrets(BaseModel):
    """What the services of one stack know of each other and nobody else should."""

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
    def load_or_make(cls, path: Path, settings: StackSettings) -> Self:
        """Read the secrets in ``path``, or make them and keep them there, readable by the owner alone."""
        if path.exists():
            return cls.model_validate_json(path.read_text())
        password = settings.minio_root_password or SecretStr(secrets.token_urlsafe(24))
        made = cls(
            minio_root_user=settings.minio_root_user,
            minio_root_password=password,
            airflow_jwt_secret=SecretStr(secrets.token_urlsafe(64)),
            airflow_fernet_key=SecretStr(_fernet_key()),
            nifi_sensitive_props_key=SecretStr(secrets.token_urlsafe(24)),
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(made.model_dump_json(indent=2))
        return made


def _fernet_key() -> str:
    import base64

    return base64.urlsafe_b64encode(os.urandom(32)).decode()
