"""The descriptions of the services of AWS, parsed once: botocore parses them again for each client of a new session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from botocore.loaders import JSONFileLoader


@contextmanager
def parsed_once() -> Iterator[None]:
    """Keep what botocore has read from its files, by path; its clients share it within a session as well."""
    load_file = JSONFileLoader.load_file
    known: dict[str, Mapping[str, Any] | None] = {}

    def load_once(loader: JSONFileLoader, path: str) -> Mapping[str, Any] | None:
        if path not in known:
            known[path] = load_file(loader, path)
        return known[path]

    with patch.object(JSONFileLoader, "load_file", load_once):
        yield
