"""Cursors of pages of audit records: the start of the next page, opaque to clients."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime

from contracts.audit import AuditRecord
from uploader.errors import InvalidFieldError

_MAX_SEQUENCE = 2**63 - 1


def write_audit_cursor(record: AuditRecord) -> str:
    """Return the cursor of the page after ``record``."""
    place = json.dumps([record.at.isoformat(), record.replica, record.sequence])
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def read_audit_cursor(cursor: str) -> tuple[datetime, str, int]:
    """Return time (in UTC), replica and sequence of the last record of a page.

    Raises:
        InvalidFieldError: the cursor does not come from a page.
    """
    try:
        moment, replica, sequence = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        at = datetime.fromisoformat(moment)
        if at.tzinfo is None or not replica.isprintable() or not 0 <= sequence <= _MAX_SEQUENCE:
            raise ValueError(cursor)
        at = at.astimezone(UTC)
    except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error) as error:
        raise InvalidFieldError("cursor must be the next_cursor of a page of records", field="cursor") from error
    return at, replica, int(sequence)
