"""How the DAGs identify themselves to the uploaders: the relay's key, from an Airflow connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dags.modules.errors import ConfigurationError, UploaderKeyError
from dags.modules.http_session import IDEMPOTENT, open_session
from dags.modules.settings import CONN_UPLOADER

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from requests import Response, Session

KEY_REFUSALS = frozenset({401, 403})
_CODES = frozenset({"unauthenticated", "permission_denied"})
"""Error codes of the uploader."""


@dataclass(frozen=True, kw_only=True)
class UploaderAccess:
    """The key for all uploaders of the allow-list, and the certificates to trust; both are optional.

    ``ca_file`` is the path of a PEM file that takes the place of the public certificates.
    """

    key: str | None = field(default=None, repr=False)
    ca_file: str | None = None

    def open_session(self, *, retries: int = 4, methods: frozenset[str] = IDEMPOTENT) -> Session:
        """Return a session (see :func:`dags.modules.http_session.open_session`) that sends the key."""
        session = open_session(retries=retries, methods=methods)
        session.verify = self.ca_file or True
        if self.key is not None:
            session.headers["Authorization"] = f"Bearer {self.key}"
        return session


WITHOUT_KEY = UploaderAccess()
"""Access to uploaders that need no key."""


def load_access(conn_id: str = CONN_UPLOADER) -> UploaderAccess:
    """Return the access of the connection; without a key if the connection does not exist. Airflow masks its password.

    Raises:
        ConfigurationError: The password cannot be sent in a header.
    """
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return access_of(Connection.get(conn_id))
    except AirflowNotFoundException:
        return WITHOUT_KEY


def access_of(connection: Connection) -> UploaderAccess:
    """Return the access of ``connection``: the key is its password, the PEM file its extra ``ca_file``.

    Of several keys, separated by commas as in the uploader's ``RELAY_KEY``, the first one is sent.

    Raises:
        ConfigurationError: The password cannot be sent in a header. The key is not in the text.
    """
    key = (connection.password or "").partition(",")[0].strip()
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigurationError(f"the password of connection {connection.conn_id} is not a key of the uploader")
    return UploaderAccess(key=key or None, ca_file=connection.extra_dejson.get("ca_file"))


def is_key_refusal(response: Response) -> bool:
    """Return whether an uploader refuses the key. Another service, to which a message can point, does not count."""
    if response.status_code not in KEY_REFUSALS:
        return False
    try:
        return response.json().get("code") in _CODES
    except (ValueError, AttributeError):
        return False


def key_refused(response: Response) -> UploaderKeyError:
    """Return the error for a response with 401 or 403: which connection to look at, and what its key needs."""
    request = response.request
    return UploaderKeyError(
        f"{request.method} {request.url} returned {response.status_code}: {response.text[:300]}. The password of "
        f"connection {CONN_UPLOADER} must be a valid key with the permissions relay and read on all datasets"
    )
