"""What the operating system says of a disk, as our errors."""

from __future__ import annotations

import errno

from contracts.errors import CsvPipeError
from uploader.errors import DiskFailedError, DiskFullError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""No byte is left, on the disk or of the quota."""
FAILED = frozenset({errno.EROFS, errno.EIO})
"""Nothing can be written any more: the kernel makes a file system read-only after an error."""


def disk_error(error: OSError) -> CsvPipeError | None:
    """Return the error to answer with where the disk of ``TEMP_DIR`` is the cause; None where it is not."""
    if error.errno in FULL:
        return DiskFullError("the disk of TEMP_DIR ran full; nothing of an upload was kept")
    if error.errno in FAILED:
        return DiskFailedError(
            f"the disk of TEMP_DIR cannot be used: {error.strerror}; nothing of an upload was kept. "
            "Look at the volume and the kernel's log, and try again when the disk works"
        )
    return None
