"""Secrets from files: every secret setting ``X`` can be given as ``X_FILE``, the path of a file that holds it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from contracts.errors import SettingsError

SUFFIX = "_FILE"
"""What the name of a secret's variable ends in if its value is the path of a file."""


def is_secret(field: FieldInfo) -> bool:
    """Return whether a field of a settings class holds a secret, i.e. is a ``SecretStr``, optional or not."""
    return SecretStr in (field.annotation, *get_args(field.annotation))


class SecretFileSource(PydanticBaseSettingsSource):
    """Variables of the environment or of ``.env``, with the secrets that the same source names a file for."""

    def __init__(self, settings_cls: type[BaseSettings], variables: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._variables = variables

    def get_field_value(
        self,
        field: FieldInfo,  # noqa: ARG002  the base class names it
        field_name: str,
    ) -> tuple[Any, str, bool]:
        """Not used: :meth:`__call__` gives all values at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values of the source; a secret's file takes the place of the secret.

        Raises:
            SettingsError: a secret is given twice, or its file cannot be read or is empty. All faults are named.
        """
        values = dict(self._variables())
        if not isinstance(self._variables, EnvSettingsSource):
            return values
        prefix = self.config.get("env_prefix", "")
        variables = {name.upper(): value for name, value in self._variables.env_vars.items()}
        faults = []
        for field_name, field in self.settings_cls.model_fields.items():
            name = f"{prefix}{field_name}".upper()
            path = variables.get(name + SUFFIX)
            if not is_secret(field) or not path:
                continue
            try:
                values[field_name] = read_secret(name, path, given=bool(variables.get(name)))
            except SettingsError as error:
                faults.append(error.detail)
        if faults:
            raise SettingsError("; ".join(faults))
        return values


def read_variable(environ: Mapping[str, str], name: str) -> str | None:
    """Return the value of the variable ``name``, or the content of the file in ``<name>_FILE``; None if neither is set.

    Raises:
        SettingsError: Both are set, or the file cannot be read.
    """
    value, path = environ.get(name), environ.get(name + SUFFIX)
    return read_secret(name, path, given=bool(value)).strip() if path else value or None


def read_secret(name: str, path: str, *, given: bool = False) -> str:
    """Return the secret in the file at ``path``; see :func:`secret_in`.

    Args:
        name: variable of the secret itself, such as ``KAFKA_PASSWORD``.
        path: value of the variable with the suffix.
        given: whether the variable of the secret has a value, too.

    Raises:
        SettingsError: both variables are given, or the file cannot be read, is not UTF-8 or is blank.
    """
    variable = name + SUFFIX
    if given:
        raise SettingsError(f"{name} and {variable} exclude each other; unset one of them")
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{variable}: {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"{variable}: {path} is not UTF-8 text") from None
    secret = secret_in(text)
    if not secret:
        raise SettingsError(f"{variable}: {path} is empty")
    return secret


def secret_in(text: str) -> str:
    """Return the secret in the text of a file, without the line ends after it; empty if the text is blank.

    Editors and PowerShell put a byte order mark before it, which nobody sees and no service accepts.
    """
    secret = text.removeprefix("\ufeff").rstrip("\r\n")
    return secret if secret.strip() else ""
