"""A key as it is stored: what its holder may do, and the hash of its secret."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import date, datetime

from contracts.permissions import Permission
from uploader.access.key_text import KeyText
from uploader.access.principal import Principal


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """One key. A limit of None is that of the settings; see :class:`uploader.access.principal.Principal`.

    After a rotation the previous secret is valid until ``previous_until``.
    """

    key_id: str
    secret_sha256: str = field(repr=False)
    name: str
    permissions: frozenset[Permission]
    datasets: tuple[str, ...]
    uploads_per_minute: int | None = None
    concurrent_uploads: int | None = None
    max_file_size_mb: int | None = None
    created_at: datetime
    expires_at: datetime | None = None
    last_used_on: date | None = None
    revoked_at: datetime | None = None
    previous_sha256: str | None = field(default=None, repr=False)
    previous_until: datetime | None = None

    def has_secret(self, text: KeyText, *, now: datetime) -> bool:
        """Return whether ``text`` has the secret of this key, or the previous one while that is valid."""
        given = text.secret_sha256
        matches = hmac.compare_digest(given, self.secret_sha256)
        if self.previous_sha256 is not None and self.previous_until is not None and now < self.previous_until:
            matches |= hmac.compare_digest(given, self.previous_sha256)
        return matches

    def is_expired(self, now: datetime) -> bool:
        """Return whether the key has expired."""
        return self.expires_at is not None and self.expires_at <= now

    @property
    def principal(self) -> Principal:
        """The holder of the key."""
        return Principal(
            key_id=self.key_id,
            name=self.name,
            permissions=self.permissions,
            datasets=self.datasets,
            uploads_per_minute=self.uploads_per_minute,
            concurrent_uploads=self.concurrent_uploads,
            max_file_size_mb=self.max_file_size_mb,
            expires_at=self.expires_at,
        )
