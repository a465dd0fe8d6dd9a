"""Memory that the machine already has, so that no trial pays for memory that another one leaves to the next."""

from __future__ import annotations

from pathlib import Path

_BLOCK = bytes(1024 * 1024)


def warm_memory(directory: Path, size_bytes: int) -> None:
    """Fill ``size_bytes`` of the page cache, and free them again.

    A virtual machine gets a page from its host when it is used for the first time, and may give it back some seconds
    after it was freed. That takes as much of the CPU as writing to it, and a trial that frees more than it has used
    would spare the next one this.
    """
    path = directory / "warm"
    try:
        with path.open("wb", buffering=0) as file:
            for _ in range(size_bytes // len(_BLOCK)):
                file.write(_BLOCK)
    finally:
        path.unlink(missing_ok=True)
