"""Files that only their owner can read."""

from __future__ import annotations

import os
from pathlib import Path

_MODE = 0o600


def write_private(path: Path, content: bytes | str) -> None:
    """Write ``content`` to ``path``, readable only by the owner. Other programs see the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    data = content.encode() if isinstance(content, str) else content
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, _MODE)
        file.write(data)
    fresh.replace(path)
