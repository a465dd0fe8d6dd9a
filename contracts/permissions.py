"""The permissions that a key of the uploader can have."""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    """One permission. None implies another: an ``admin`` key without ``upload`` cannot upload."""

    UPLOAD = "upload"
    """Send files."""
    READ = "read"
    """See uploads, and download chunks without a signed address."""
    RELAY = "relay"
    """Report the states of chunks."""
    OPERATE = "operate"
    """Announce and delete uploads."""
    ADMIN = "admin"
    """Manage keys, and read the audit log, of all datasets. Its holder can create a key with any right."""
