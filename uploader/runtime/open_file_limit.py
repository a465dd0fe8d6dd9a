"""The limit of open files, of which every connection, upload and download needs some."""

from __future__ import annotations

import resource


def raise_open_file_limit() -> int:
    """Raise the soft limit of open files to the hard limit, for this process and its children; return it.

    Shells and service managers set 1024 because of select(2), which is not used here.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
