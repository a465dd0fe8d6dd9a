"""Errors of the operating system about disks and file handles, as the uploader's errors."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from contracts.errors import CsvPipeError
from uploader.errors import DiskFailedError, DiskFullError, TooManyOpenFilesError

DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The disk or the quota is exhausted."""
DISK_FAILED_ERRNOS = frozenset({errno.EROFS, errno.EIO})
"""The disk is no longer writable: the kernel makes a file system read-only after an error."""
NO_HANDLES_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE})
"""No more files can be opened, by this process or on this machine."""
_RETRY_AFTER_S = 10


def translate_os_error(error: OSError, *, kept: str = "nothing of the upload was kept") -> CsvPipeError | None:
    """Return the error to report if the disk or the limit of open files is the cause, or None if not.

    ``kept`` says what is left of the upload.
    """
    if error.errno in DISK_FULL_ERRNOS:
        return DiskFullError(f"the disk of TEMP_DIR is full; {kept}")
    if error.errno in DISK_FAILED_ERRNOS:
        return DiskFailedError(
            f"the disk of TEMP_DIR has failed: {error.strerror}; {kept}. Check the volume and "
            "the kernel log, and retry when the disk works again"
        )
    if error.errno in NO_HANDLES_ERRNOS:
        return TooManyOpenFilesError(
            f"the limit of open files is reached; {kept}. Retry after {_RETRY_AFTER_S} seconds; if this "
            "persists, raise the limit (ulimit -n) or lower MAX_CONNECTIONS",
            retry_after_s=_RETRY_AFTER_S,
        )
    return None


@contextmanager
def disk_errors(kept: str) -> Iterator[None]:
    """Turn errors of the disk into ours; ``kept`` says what is left of the upload.

    Raises:
        DiskFullError: the disk is full.
        DiskFailedError: it is read-only, or fails.
        TooManyOpenFilesError: there were no file handles left.
    """
    try:
        yield
    except OSError as error:
        translated = translate_os_error(error, kept=kept)
        if translated is None:
            raise
        raise translated from error
