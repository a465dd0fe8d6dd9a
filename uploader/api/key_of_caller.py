"""The key of a principal, as its holder sees it."""

from __future__ import annotations

from contracts.api import KeyOfCaller
from uploader.access.principal import Principal


def key_of(principal: Principal) -> KeyOfCaller:
    """Return what the key of ``principal`` permits."""
    return KeyOfCaller(
        name=principal.name,
        permissions=sorted(principal.permissions),
        datasets=list(principal.datasets),
        uploads_per_minute=principal.uploads_per_minute,
        concurrent_uploads=principal.concurrent_uploads,
        max_file_size_mb=principal.max_file_size_mb,
        expires_at=principal.expires_at,
    )
