"""The limit of open files: each connection, upload and download needs some."""

from __future__ import annotations

import resource


def raise_handle_limit() -> int:
    """Raise the soft limit of open files to the hard one, for this process and its children; return it.

    Shells and service managers give 1024, for the sake of select(2), which nothing here uses.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
