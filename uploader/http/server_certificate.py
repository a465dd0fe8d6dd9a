"""The uploader's certificate and key, which are loaded again when their files change."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from contracts.errors import SettingsError
from uploader.settings import Settings

_STATE_KEY = "server_certificate"
_log = logging.getLogger(__name__)

_Version = tuple[tuple[int, int, int], ...]


class ServerCertificate:
    """The TLS context of new connections. Files that cannot be used are logged once, and the previous ones stay."""

    def __init__(self, cert_file: Path, key_file: Path) -> None:
        """Load the files.

        Raises:
            SettingsError: a file cannot be read or used; the text names its setting.
        """
        self._cert_file, self._key_file = cert_file, key_file
        self._version = self._find_version()
        self._context = load_context(cert_file, key_file)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """Return the certificate in ``settings``, or None if the uploader is to be served without TLS.

        Raises:
            SettingsError: a file cannot be read or used; the text names its setting.
        """
        if settings.tls_cert_file is None or settings.tls_key_file is None:
            return None
        return cls(settings.tls_cert_file, settings.tls_key_file)

    @classmethod
    def from_state(cls, app_state: Mapping[str, Any]) -> Self | None:
        """Return the certificate in the application's lifespan state, if there is one."""
        found = app_state.get(_STATE_KEY)
        return found if isinstance(found, cls) else None

    def as_state(self) -> dict[str, object]:
        """Return the lifespan state that :meth:`from_state` reads."""
        return {_STATE_KEY: self}

    def current_context(self) -> ssl.SSLContext:
        """Return the context for a new connection, after a look at the files: two calls of ``stat``."""
        version = self._find_version()
        if version != self._version:
            self._version = version
            try:
                self._context = load_context(self._cert_file, self._key_file)
            except SettingsError as error:
                _log.error("Certificate not reloaded; the previous one stays in use", extra={"error": error.detail})
            else:
                _log.info("Certificate reloaded", extra={"path": str(self._cert_file)})
        return self._context

    def _find_version(self) -> _Version:
        """Return what changes whenever a file is replaced or written; empty if one is missing."""
        try:
            found = [path.stat() for path in (self._cert_file, self._key_file)]
        except OSError:
            return ()
        return tuple((status.st_ino, status.st_mtime_ns, status.st_size) for status in found)


def load_context(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    """Return a server's context for TLS 1.2 and newer.

    Raises:
        SettingsError: a file cannot be read or used; the text names its setting.
    """
    _check_readable("TLS_CERT_FILE", cert_file)
    _check_readable("TLS_KEY_FILE", key_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])

    def refuse_encrypted() -> str:
        raise SettingsError(f"TLS_KEY_FILE: {key_file} is encrypted; remove the passphrase")

    try:
        context.load_cert_chain(cert_file, key_file, password=refuse_encrypted)
    except ssl.SSLError as error:
        raise SettingsError(_explain(error, cert_file, key_file)) from error
    return context


def _check_readable(setting: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise SettingsError(f"{setting}: {path} cannot be read: {error.strerror}") from error


def _explain(error: ssl.SSLError, cert_file: Path, key_file: Path) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"TLS_KEY_FILE: {key_file} is not the key of the certificate in TLS_CERT_FILE ({cert_file})"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cert_file)
    except ssl.SSLError:
        return f"TLS_CERT_FILE: {cert_file} is not a certificate in PEM form"
    return f"TLS_KEY_FILE: {key_file} is not a private key in PEM form ({error.reason or error})"
