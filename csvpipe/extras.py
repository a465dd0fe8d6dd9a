"""Imports that may fail because an extra is not installed, with the remedy in the error."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from csvpipe.exits import ConfigurationError

OWN_PACKAGES = frozenset({"contracts", "csvpipe", "csvscan", "dags", "nifi", "stack", "uploader"})


def import_with_hint(name: str, *, extra: str, what: str) -> ModuleType:
    """Import the module ``name`` of ours.

    Raises:
        ConfigurationError: a package from ``extra`` is missing; the text says how to install it for ``what``.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        missing = (error.name or name).partition(".")[0]
        if missing in OWN_PACKAGES:
            raise
        raise ConfigurationError(
            f"{what} needs the package '{missing}', which is not installed. Run: pip install 'csvpipe[{extra}]'",
            package=missing,
        ) from error
