"""Listing a directory that a running process is changing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def entries(directory: Path) -> Iterator[Path]:
    """Yield all that lies under ``directory``; what goes while one looks may be among it or not.

    :meth:`pathlib.Path.rglob` instead fails with FileNotFoundError on a directory that goes before it gets there.
    """
    for where, directories, files in os.walk(directory):
        for name in (*directories, *files):
            yield Path(where, name)
