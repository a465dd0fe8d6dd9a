"""Cursors of pages of uploads: the start of the next page, opaque to clients."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime

from uploader.domain.records import UploadOverview
from uploader.errors import InvalidFieldError


def write_cursor(upload: UploadOverview) -> str:
    """Return the cursor of the page after ``upload``."""
    place = json.dumps([upload.created_at.isoformat(), upload.upload_id])
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Return the creation time of the last upload of a page, in UTC, and its id.

    Raises:
        InvalidFieldError: the cursor does not come from a page.
    """
    try:
        moment, upload_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        after = datetime.fromisoformat(moment)
        if after.tzinfo is None or not str(upload_id).isalnum():
            raise ValueError(cursor)
        after = after.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise InvalidFieldError("cursor must be the next_cursor of a page of uploads", field="cursor") from error
    return after, str(upload_id)
