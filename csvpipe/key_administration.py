"""Where keys are managed: through the API of the uploader, or in its database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from contracts.api import Key, KeyList, KeyRotation, KeyWithSecret, NewKey
from csvpipe.extras import import_with_hint, require_packages

if TYPE_CHECKING:
    from uploader.access.audit import Actor
    from uploader.keys.key_service import KeyService

_WHAT = "csvpipe keys --database"


class KeyAdministration(Protocol):
    """Manages keys."""

    def create_key(self, wanted: NewKey) -> KeyWithSecret:
        """Create a key, or register the given one."""
        ...

    def list_keys(self) -> KeyList:
        """Return all keys, the oldest first."""
        ...

    def show_key(self, key_id: str) -> Key:
        """Return one key."""
        ...

    def revoke_key(self, key_id: str) -> Key:
        """Revoke a key for good."""
        ...

    def rotate_key(self, key_id: str, rotation: KeyRotation) -> KeyWithSecret:
        """Give a key a new secret."""
        ...


class DatabaseKeys:
    """The keys in the database, without an uploader."""

    def __init__(self, service: KeyService, actor: Actor) -> None:
        self._service = service
        self._actor = actor

    def create_key(self, wanted: NewKey) -> KeyWithSecret:
        """See :class:`KeyAdministration`."""
        return self._service.create(wanted, actor=self._actor)

    def list_keys(self) -> KeyList:
        """See :class:`KeyAdministration`."""
        return self._service.list_keys()

    def show_key(self, key_id: str) -> Key:
        """See :class:`KeyAdministration`."""
        return self._service.show(key_id)

    def revoke_key(self, key_id: str) -> Key:
        """See :class:`KeyAdministration`."""
        return self._service.revoke(key_id, actor=self._actor)

    def rotate_key(self, key_id: str, rotation: KeyRotation) -> KeyWithSecret:
        """See :class:`KeyAdministration`."""
        return self._service.rotate(key_id, grace=timedelta(seconds=rotation.grace_s), actor=self._actor)


@contextmanager
def open_key_database() -> Iterator[DatabaseKeys]:
    """Open the database of the uploader's settings (DATABASE_URL, TEMP_DIR), and make it if there is none.

    The uploader may be running. In the audit records the actor is ``csvpipe keys``.

    Raises:
        MissingPackageError: the packages of the uploader are not installed.
        SettingsError: a setting is wrong.
        ManifestUnavailableError: the database does not answer.
    """
    require_packages(("fastapi", "sqlalchemy"), extra="uploader", what=_WHAT)
    settings = import_with_hint("csvpipe.commands.serve", extra="uploader", what=_WHAT).read_settings()
    from uploader.access.audit import Actor
    from uploader.access.fixed_keys import fixed_keys
    from uploader.access.principal import Principal
    from uploader.keys.key_service import KeyService
    from uploader.runtime.clock import utc_now
    from uploader.store.store import open_store

    actor = Actor(Principal(key_id=None, name="csvpipe keys", permissions=frozenset(), datasets=()), address="")
    with closing(open_store(settings.store_url, replica=settings.replica_name)) as store:
        fixed_ids = {key.text.key_id for key in fixed_keys(settings)}
        yield DatabaseKeys(KeyService(keys=store.keys, clock=utc_now, fixed_ids=fixed_ids), actor)
