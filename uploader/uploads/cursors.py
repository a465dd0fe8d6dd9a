"""The cursor of a page of uploads: where the next page goes on, opaque to clients."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime

from uploader.domain.records import UploadOverview
from uploader.errors import InvalidFieldError


def write_cursor(upload: UploadOverview) -> str:
    """Return the cursor of what comes after ``upload``."""
    place = json.dumps([upload.created_at.isoformat(), upload.upload_id])
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Return when the last upload of a page was made, in UTC, and its id.

    Raises:
        InvalidFieldError: the cursor is not one that a page gave out.
    """
    try:
        moment, upload_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        after = datetime.fromisoformat(moment)
        if after.tzinfo is None or not str(upload_id).isalnum():
            raise ValueError(cursor)
        after = after.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise InvalidFieldError("cursor is not one that a page of uploads gave out", field="cursor") from error
    return after, str(upload_id)
