"""Pinned versions from ``versions.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

VERSIONS_FILE = Path(__file__).with_name("versions.toml")


@cache
def _table() -> dict[str, dict[str, str]]:
    with VERSIONS_FILE.open("rb") as file:
        return tomllib.load(file)


def version(component: str, part: str = "version") -> str:
    """Return the pinned version of a component, or of a ``part`` of it.

    Raises:
        KeyError: ``versions.toml`` does not contain it.
    """
    return _table()[component][part]
