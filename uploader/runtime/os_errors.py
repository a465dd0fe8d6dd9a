"""What the operating system says of disks and file handles, as our errors."""

from __future__ import annotations

import errno

from contracts.errors import CsvPipeError
from uploader.errors import DiskFailedError, DiskFullError, TooManyOpenFilesError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""No byte is left, on the disk or of the quota."""
FAILED = frozenset({errno.EROFS, errno.EIO})
"""Nothing can be written any more: the kernel makes a file system read-only after an error."""
NO_HANDLES = frozenset({errno.EMFILE, errno.ENFILE})
"""No more files can be opened, by this process or by any."""
_RETRY_AFTER_S = 10


def disk_error(error: OSError) -> CsvPipeError | None:
    """Return the error to answer with if disk or file handles are the cause; None if they are not."""
    if error.errno in FULL:
        return DiskFullError("the disk of TEMP_DIR ran full; nothing of an upload was kept")
    if error.errno in FAILED:
        return DiskFailedError(
            f"the disk of TEMP_DIR cannot be used: {error.strerror}; nothing of an upload was kept. "
            "Look at the volume and the kernel's log, and try again when the disk works"
        )
    if error.errno in NO_HANDLES:
        return TooManyOpenFilesError(
            f"the limit of open files is reached; nothing was kept. Try again in {_RETRY_AFTER_S} seconds; if it stays "
            "so, raise the limit (ulimit -n) or lower MAX_CONNECTIONS",
            retry_after_s=_RETRY_AFTER_S,
        )
    return None
