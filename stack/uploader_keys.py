"""The API keys of a stack: files for the uploader and for other programs, and the registration of the client's key."""

from __future__ import annotations

from pathlib import Path

import httpx
from pydantic import SecretStr

from contracts.permissions import Permission
from stack.component import StackContext
from stack.errors import NotReadyError
from stack.private_file import write_private
from stack.tls import tls_context

_TIMEOUT_S = 30.0


class UploaderKeys:
    """Three keys: ``admin`` manages others, ``relay`` is Airflow's, and ``client`` is that of this machine's user."""

    def __init__(self, context: StackContext) -> None:
        self._context = context
        self._folder = context.root / "keys"

    def file(self, name: str) -> Path:
        """Return the path of the file with a key and nothing else."""
        return self._folder / name

    @property
    def header_file(self) -> Path:
        """Return the path of the file with the client's key as a header, for ``curl --header @FILE``."""
        return self._folder / "client.header"

    def write(self) -> None:
        """Write all files, readable only by the owner."""
        secrets = self._context.secrets
        for name, key in (("admin", secrets.admin_key), ("relay", secrets.relay_key), ("client", secrets.client_key)):
            write_private(self.file(name), key.get_secret_value() + "\n")
        write_private(self.header_file, f"Authorization: {_bearer(secrets.client_key)}\n")

    def register_client(self, url: str) -> None:
        """Register the client's key at the uploader: it may upload, read, announce and delete.

        Repeating it changes nothing.

        Raises:
            NotReadyError: The uploader did not accept it.
        """
        key = {
            "name": "client of the local stack",
            "permissions": [Permission.UPLOAD, Permission.READ, Permission.OPERATE],
            "datasets": ["*"],
            "key": self._context.secrets.client_key.get_secret_value(),
        }
        headers = {"Authorization": _bearer(self._context.secrets.admin_key)}
        verify = tls_context(self._context.ca_file)
        try:
            response = httpx.post(
                f"{url}/keys", json=key, headers=headers, timeout=_TIMEOUT_S, trust_env=False, verify=verify
            )
        except httpx.HTTPError as error:
            raise NotReadyError(f"uploader: POST /keys failed: {error}") from error
        if response.is_error:
            raise NotReadyError(f"uploader: POST /keys returned {response.status_code}: {response.text[:500]}")


def _bearer(key: SecretStr) -> str:
    return f"Bearer {key.get_secret_value()}"
