"""Reading settings: every fault becomes one :class:`contracts.errors.SettingsError` that names the variable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pydantic_settings
from pydantic import ValidationError

from contracts.errors import SettingsError

_FIELD = re.compile(r'field "(\w+)"')


@contextmanager
def reading_settings(*, prefix: str = "", show_values: bool = False) -> Iterator[None]:
    """Turn what goes wrong while a settings class is built into a ``SettingsError``.

    Args:
        prefix: what the environment variables start with, such as ``STACK_``.
        show_values: whether the message quotes invalid values; only for settings that hold no secret.

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
        name = f"{prefix}{found[1].upper()}" if found else "settings"
        raise SettingsError(f"{name} must be JSON: {error.__cause__}") from error
    except ValidationError as error:
        raise SettingsError(describe_faults(error, prefix=prefix, show_values=show_values)) from error
    except OSError as error:
        raise SettingsError(f".env cannot be read: {error.strerror}") from error


def describe_faults(error: ValidationError, *, prefix: str = "", show_values: bool = False) -> str:
    """Return every fault in one line: ``CHUNK_ROWS: Input should be greater than 0; LOG_LEVEL: …``.

    A fault of no single field, such as two settings that exclude each other, has no name before it.
    """
    faults = []
    for fault in error.errors(include_url=False, include_context=False):
        name = ".".join(map(str, fault["loc"])).upper()
        text = fault["msg"].removeprefix("Value error, ")
        if show_values and name:
            text += f", got {str(fault['input'])!r}"
        faults.append(f"{prefix}{name}: {text}" if name else text)
    return "; ".join(faults)
