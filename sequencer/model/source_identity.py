"""Identifies the files of a source in a checkpoint; many files by group, as a DynamoDB item is limited to 400 KB."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

MAX_ENTRIES = 20
"""A key may have 1024 bytes: with two of them per group, the entries have at most 40 KB."""


class FileIdentity(NamedTuple):
    """Identifies the content of a file, or of a group of consecutive files."""

    name: str
    size_bytes: int
    etag: str


def condense(files: Sequence[FileIdentity]) -> tuple[FileIdentity, ...]:
    """Return ``files`` if there are few, else one entry per group of consecutive files.

    An entry has the total size of its group, and as ETag a SHA-256 over the name, size and ETag of each file.
    Condensing again changes nothing.
    """
    if len(files) <= MAX_ENTRIES:
        return tuple(files)
    size = -(-len(files) // MAX_ENTRIES)
    groups = [files[begin : begin + size] for begin in range(0, len(files), size)]
    return tuple(_entry(group) if len(group) > 1 else group[0] for group in groups)


def _entry(group: Sequence[FileIdentity]) -> FileIdentity:
    digest = hashlib.sha256(json.dumps(group).encode()).hexdigest()
    name = f"one of the {len(group)} files from {group[0].name} to {group[-1].name}"
    return FileIdentity(name, sum(file.size_bytes for file in group), f"sha256:{digest}")
