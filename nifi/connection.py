"""Connections to NiFi through nipyapi, without changing nipyapi's global configuration."""

# ruff: noqa: ANN401  nipyapi has no types

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from contracts.errors import SettingsError
from contracts.secret_files import read_variable
from contracts.tls_faults import TlsPeer, trusting
from nifi.errors import NiFiApiError, NiFiUnreachableError

_REQUEST_TIMEOUT_S = (15, 60)
_CA_SETTING = "NIFI_CA_FILE"


@dataclass(frozen=True, kw_only=True)
class Access:
    """Credentials and certificates for a secured NiFi. All are None for a NiFi without TLS on the local host.

    Attributes:
        token: Bearer token.
        username: Name to obtain a token with, if ``token`` is None; with ``password``.
        ca_file: PEM file of certificates to trust instead of the system's.
        cert_file: PEM file of the client certificate; with ``key_file``.
    """

    token: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Access:
        """Read ``NIFI_TOKEN``, ``NIFI_USERNAME``, ``NIFI_PASSWORD`` and ``NIFI_CA_FILE``, ``..CERT..``, ``..KEY..``.

        Each of the first three can be in a file instead, named by ``NIFI_TOKEN_FILE`` and so on.

        Raises:
            SettingsError: A variable and its ``_FILE`` are both set, or the file cannot be read.
        """
        names = ("token", "username", "password", "ca_file", "cert_file", "key_file")
        return cls(
            **{name: environ.get(f"NIFI_{name.upper()}") or None for name in names if name.endswith("_file")},
            **{name: read_variable(environ, f"NIFI_{name.upper()}") for name in names if not name.endswith("_file")},
        )


def open_connection(host: str, access: Access) -> Any:
    """Return an ``ApiClient`` of nipyapi for the API at ``host``. It raises :mod:`nifi.errors`.

    Raises:
        SettingsError: A file of certificates cannot be used.
        NiFiUnreachableError: NiFi does not answer the login, or its certificate is refused.
    """
    import urllib3
    from nipyapi.nifi import AccessApi, ApiClient

    class Client(ApiClient):  # type: ignore[misc]  # nipyapi has no types
        def call_api(self, *args: Any, **kwargs: Any) -> Any:
            kwargs["_request_timeout"] = kwargs.get("_request_timeout") or _REQUEST_TIMEOUT_S
            with _translated_errors(host):
                return super().call_api(*args, **kwargs)

    client = Client(host=host)
    client.rest_client.pool_manager = urllib3.PoolManager(ssl_context=_tls_context(access), retries=False)
    if access.token:
        client.set_default_header("Authorization", f"Bearer {access.token}")
    if access.token is None and access.username is not None:
        try:
            token = AccessApi(client).create_access_token(username=access.username, password=access.password)
        except NiFiApiError as error:
            raise NiFiApiError(f"NIFI_USERNAME and NIFI_PASSWORD: {error.detail}", status=error.status) from error
        client.set_default_header("Authorization", f"Bearer {token}")
    return client


def _tls_context(access: Access) -> ssl.SSLContext:
    context = trusting(access.ca_file, setting=_CA_SETTING)
    if access.cert_file is None:
        return context
    try:
        context.load_cert_chain(access.cert_file, access.key_file)
    except OSError as error:
        raise SettingsError(
            f"NIFI_CERT_FILE and NIFI_KEY_FILE: {access.cert_file} and {access.key_file} are no certificate with its "
            f"key: {error.strerror or error}"
        ) from error
    return context


@contextmanager
def _translated_errors(host: str) -> Iterator[None]:
    import urllib3
    from nipyapi.nifi.rest import ApiException

    try:
        yield
    except (ApiException, urllib3.exceptions.HTTPError) as error:
        fault = TlsPeer(address=host, address_setting="--url", ca_setting=_CA_SETTING).describe(error)
        if fault is not None:
            raise NiFiUnreachableError(fault, url=host) from error
        if not isinstance(error, ApiException):
            raise NiFiUnreachableError(f"{host} does not answer: {error}", url=host) from error
        if not error.status:  # how nipyapi passes on that NiFi has refused the client's certificate
            raise NiFiUnreachableError(f"{host} does not answer: {error.reason}", url=host) from error
        body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else error.body
        text = (body or error.reason or "").strip()
        raise NiFiApiError(f"{host} returned {error.status}: {text[:2000]}", status=error.status) from error
