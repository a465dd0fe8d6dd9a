"""Errors of the operating system about disks and file handles, as the uploader's errors."""

from __future__ import annotations

import errno

from contracts.errors import CsvPipeError
from uploader.errors import DiskFailedError, DiskFullError, TooManyOpenFilesError

DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The disk or the quota is exhausted."""
DISK_FAILED_ERRNOS = frozenset({errno.EROFS, errno.EIO})
"""The disk is no longer writable: the kernel makes a file system read-only after an error."""
NO_HANDLES_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE})
"""No more files can be opened, by this process or on this machine."""
_RETRY_AFTER_S = 10


def translate_os_error(error: OSError) -> CsvPipeError | None:
    """Return the error to report if the disk or the limit of open files is the cause, or None if not."""
    if error.errno in DISK_FULL_ERRNOS:
        return DiskFullError("the disk of TEMP_DIR is full; nothing of the upload was kept")
    if error.errno in DISK_FAILED_ERRNOS:
        return DiskFailedError(
            f"the disk of TEMP_DIR has failed: {error.strerror}; nothing of the upload was kept. Check the volume and "
            "the kernel log, and retry when the disk works again"
        )
    if error.errno in NO_HANDLES_ERRNOS:
        return TooManyOpenFilesError(
            f"the limit of open files is reached; nothing was kept. Retry after {_RETRY_AFTER_S} seconds; if this "
            "persists, raise the limit (ulimit -n) or lower MAX_CONNECTIONS",
            retry_after_s=_RETRY_AFTER_S,
        )
    return None
