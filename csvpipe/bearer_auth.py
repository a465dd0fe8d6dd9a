"""The key in the header of each request."""

from __future__ import annotations

from collections.abc import Generator

import httpx
from pydantic import SecretStr

from contracts.errors import SettingsError


class BearerAuth(httpx.Auth):
    """Sends a key as ``Authorization: Bearer`` (RFC 6750). The key is in no ``repr`` and no error."""

    def __init__(self, key: SecretStr, *, origin: str) -> None:
        """Check the text of the key, which may come from a file with other content.

        Raises:
            SettingsError: it cannot be sent in a header; the text names ``origin``, not the key.
        """
        text = key.get_secret_value()
        if not (text.isascii() and text.isprintable() and " " not in text):
            raise SettingsError(f"{origin}: not a key, as it has spaces, line ends or characters that are not ASCII")
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        request.headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        yield request
