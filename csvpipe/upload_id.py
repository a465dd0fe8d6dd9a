"""Check of an upload id before any request."""

from __future__ import annotations

import re
from pathlib import Path

from contracts.exit_codes import ExitCode
from csvpipe.errors import CommandError

_UPLOAD_ID = re.compile(r"[0-9a-f]{32}")


class NotAnUploadIdError(CommandError):
    """The argument is not the id of an upload."""

    code = "not_an_upload_id"
    title = "Not an upload id"
    exit_code = ExitCode.USAGE


def check_upload_id(text: str) -> None:
    """Check that ``text`` has the form of an upload's id.

    Raises:
        NotAnUploadIdError: it has not; the text says where to find one.
    """
    if _UPLOAD_ID.fullmatch(text):
        return
    what = f"{text[:100]!r} is a file" if Path(text[:4096]).is_file() else f"{text[:100]!r} is not an upload id"
    raise NotAnUploadIdError(f"{what}; an id has 32 hex digits, as csvpipe upload prints it and csvpipe list shows it")
