"""Where audit chains are read from: the API of the uploader, or its database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from contracts.audit import MAX_PAGE, AuditChainPage
from contracts.errors import SourceNotFoundError
from csvpipe.extras import import_with_hint, require_packages

if TYPE_CHECKING:
    from uploader.store.store import Store

_SQLITE = "sqlite:///"


class ChainSource(Protocol):
    """Reads chains."""

    def audit_replicas(self) -> list[str]:
        """Return the replicas that have a chain."""
        ...

    def audit_chain(self, replica: str, *, after: int | None) -> AuditChainPage:
        """Return up to ``MAX_PAGE`` records after a sequence number, or from the first, and the head of that moment."""
        ...


class DatabaseChains:
    """The chains in the database, without an uploader."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def audit_replicas(self) -> list[str]:
        """See :class:`ChainSource`."""
        return self._store.audit.replicas()

    def audit_chain(self, replica: str, *, after: int | None) -> AuditChainPage:
        """See :class:`ChainSource`."""
        records, head = self._store.audit.read_chain(replica, after=after, limit=MAX_PAGE)
        return AuditChainPage(records=records, head=head)


@contextmanager
def open_database() -> Iterator[ChainSource]:
    """Open the database of the uploader's settings (DATABASE_URL, TEMP_DIR). The uploader may be running.

    Raises:
        MissingPackageError: the packages of the uploader are not installed.
        SettingsError: a setting is wrong.
        SourceNotFoundError: there is no database.
        ManifestUnavailableError: the database does not answer.
    """
    what = "csvpipe audit verify --database"
    require_packages(("fastapi", "sqlalchemy"), extra="uploader", what=what)
    settings = import_with_hint("csvpipe.commands.serve", extra="uploader", what=what).read_settings()
    url: str = settings.store_url
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).exists():
        raise SourceNotFoundError(f"DATABASE_URL: there is no database {url.removeprefix(_SQLITE)}")
    store: Store = import_with_hint("uploader.store.store", extra="uploader", what=what).open_store(url)
    with closing(store):
        yield DatabaseChains(store)
