"""The text encodings that a client may name, for a file or for the file's name."""

from __future__ import annotations

import codecs
import encodings
import pkgutil
from encodings.aliases import aliases
from functools import cache

_MAX_NAME_CHARS = 40
_NOT_FOR_FILES = frozenset({"idna", "punycode", "undefined", "raw-unicode-escape", "unicode-escape"})


def find_codec_name(name: str) -> str | None:
    """Return the canonical name of a text encoding, or None if ``name`` is not one.

    Names are first looked up among those that Python ships: ``codecs.lookup`` caches every name it is ever given.
    """
    if len(name) > _MAX_NAME_CHARS or not name.isascii():
        return None
    normalized = encodings.normalize_encoding(name).lower()
    if normalized not in _known_names():
        return None
    try:
        codec = codecs.lookup(normalized)
        "".encode(normalized)  # LookupError for codecs from bytes to bytes, such as base64
    except (LookupError, ValueError):
        return None
    return None if codec.name in _NOT_FOR_FILES else codec.name


@cache
def _known_names() -> frozenset[str]:
    modules = {module.name for module in pkgutil.iter_modules(encodings.__path__)}
    return frozenset({*aliases, *aliases.values(), *modules})
