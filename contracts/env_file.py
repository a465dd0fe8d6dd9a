"""What goes wrong where settings are read: a ``.env`` that is no text, and values that must be JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic_settings import SettingsError

_FIELD = re.compile(r'field "(\w+)"')


@contextmanager
def reading_settings(fail: Callable[[str], Exception]) -> Iterator[None]:
    """Turn a ``.env`` that cannot be read, and a value that is no JSON, into ``fail`` of a text that names it.

    Raises:
        Exception: what ``fail`` returns.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        raise fail(f".env: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except SettingsError as error:
        found = _FIELD.search(str(error))
        name = found[1].upper() if found else "settings"
        raise fail(f"{name}: it must be JSON, and is not: {error.__cause__}") from error
    except OSError as error:
        raise fail(f".env: it cannot be read: {error.strerror}") from error
