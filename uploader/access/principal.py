"""Who makes a request, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from uploader.access.dataset_patterns import ALL_DATASETS, matches
from uploader.access.permissions import Permission


@dataclass(frozen=True, kw_only=True)
class Principal:
    """The holder of a key, or anyone if access is open.

    ``datasets`` are patterns with ``*`` as the only wildcard. A limit of None is that of the settings.
    """

    key_id: str | None
    """None for a request without a key."""
    name: str
    permissions: frozenset[Permission]
    datasets: tuple[str, ...]
    uploads_per_minute: int | None = None
    """0 for no limit."""
    concurrent_uploads: int | None = None
    max_file_size_mb: int | None = None
    expires_at: datetime | None = None

    def may(self, permission: Permission, dataset: str | None = None) -> bool:
        """Return whether the principal has ``permission``, on ``dataset`` if one is given."""
        return permission in self.permissions and (dataset is None or matches(self.datasets, dataset))


EVERYBODY = Principal(key_id=None, name="anonymous", permissions=frozenset(Permission), datasets=(ALL_DATASETS,))
"""Who makes a request without a key if access is open: anyone may do anything."""
NOBODY = Principal(key_id=None, name="anonymous", permissions=frozenset(), datasets=())
"""Who makes a request that needs no permission: nobody asked for a key."""
