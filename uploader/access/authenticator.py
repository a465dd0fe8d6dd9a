"""The protocol of everything that finds out who makes a request."""

from __future__ import annotations

from typing import Protocol

from starlette.datastructures import Headers

from uploader.access.principal import Principal


class Authenticator(Protocol):
    """Turns the headers of a request into its principal. Another kind of credentials needs another of these."""

    async def authenticate(self, headers: Headers) -> Principal:
        """Return who makes the request.

        Raises:
            UnauthenticatedError: the headers have no credentials, or invalid ones.
            ManifestUnavailableError: the credentials cannot be checked now.
        """
        ...

    async def check_key(self, key: str) -> Principal:
        """Return who has ``key``.

        Raises:
            UnauthenticatedError: it is not valid.
            ManifestUnavailableError: it cannot be checked now.
        """
        ...
