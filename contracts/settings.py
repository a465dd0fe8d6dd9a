"""Reading settings: their base class, and one :class:`contracts.errors.SettingsError` for every fault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pydantic_settings
from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from contracts.errors import SettingsError
from contracts.faults import rule_of
from contracts.secret_files import SecretFileSource, is_secret

_FIELD = re.compile(r'field "(\w+)"')
_USERINFO = re.compile(r"//[^/?#\s]*@")


class EnvironmentSettings(BaseSettings):
    """Settings from the environment, then from ``.env``. Any secret ``X`` can be given as ``X_FILE`` in both.

    An error shows no value of a setting, also in the text of the ``ValidationError`` that caused it.
    """

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the base class names it
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, the first one wins: arguments, environment, ``.env``."""
        return (
            init_settings,
            SecretFileSource(settings_cls, env_settings),
            SecretFileSource(settings_cls, dotenv_settings),
        )


@contextmanager
def reading_settings(model: type[BaseSettings], *, show_values: bool = False) -> Iterator[None]:
    """Turn what goes wrong while ``model`` is built into a ``SettingsError``.

    Args:
        model: the settings class.
        show_values: whether the message quotes invalid values. Secrets, and passwords in URLs, are never quoted.

    Raises:
        SettingsError: a value breaks its rule or is not valid JSON, or ``.env`` cannot be read as UTF-8 text. The
            message names every invalid variable.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        raise SettingsError(f".env: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except pydantic_settings.SettingsError as error:
        found = _FIELD.search(str(error))
        name = f"{_prefix(model)}{found[1].upper()}" if found else "settings"
        raise SettingsError(f"{name} must be JSON: {error.__cause__}") from error
    except ValidationError as error:
        raise SettingsError(describe_faults(error, model, show_values=show_values)) from error
    except OSError as error:
        raise SettingsError(f".env cannot be read: {error.strerror}") from error


def describe_faults(error: ValidationError, model: type[BaseSettings], *, show_values: bool = False) -> str:
    """Return every fault in one line: ``CHUNK_ROWS: Input should be greater than 0; LOG_LEVEL: …``.

    A fault of no single field, such as two settings that exclude each other, has no name before it.
    """
    secrets = {name for name, field in model.model_fields.items() if is_secret(field)}
    faults = []
    for fault in error.errors(include_url=False, include_context=False):
        place = fault["loc"]
        text = rule_of(fault)
        if not place:
            faults.append(text)
            continue
        if show_values and place[0] not in secrets:
            text += f", got {_USERINFO.sub('//***@', str(fault['input']))!r}"
        faults.append(f"{_prefix(model)}{'.'.join(map(str, place)).upper()}: {text}")
    return "; ".join(faults)


def _prefix(model: type[BaseSettings]) -> str:
    return model.model_config.get("env_prefix", "").upper()
