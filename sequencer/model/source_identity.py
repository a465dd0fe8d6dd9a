"""What a source is known by in a checkpoint: of many files, groups of them, as an item of DynamoDB holds 400 KB."""

from __future__ import annotations

import hashlib
import json

Identity = tuple[tuple[str, int, str], ...]
"""Name, size and ETag of each file, or of each group."""
MOST_ENTRIES = 20
"""A key may have 1024 bytes: two of them for each group are 40 KB at most."""


def condensed(files: Identity) -> Identity:
    """Return ``files`` as they are where they are few, else one entry for each group of files that follow each other.

    Its size is that of all in the group, its ETag a SHA-256 over the name, size and ETag of each. What is condensed
    stays as it is.
    """
    if len(files) <= MOST_ENTRIES:
        return files
    size = -(-len(files) // MOST_ENTRIES)
    groups = [files[begin : begin + size] for begin in range(0, len(files), size)]
    return tuple(_entry(group) if len(group) > 1 else group[0] for group in groups)


def _entry(group: Identity) -> tuple[str, int, str]:
    digest = hashlib.sha256(json.dumps(group).encode()).hexdigest()
    name = f"one of the {len(group)} files from {group[0][0]} to {group[-1][0]}"
    return name, sum(size for _, size, _ in group), f"sha256:{digest}"
