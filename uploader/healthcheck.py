"""``python -m uploader.healthcheck``: exit with 0 if the uploader in this container responds, and with 1 otherwise.

It is the health check of the image, and needs neither a shell nor curl. It reads the same settings as the uploader, so
it uses the same port.
"""

from __future__ import annotations

import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path

from contracts.errors import SettingsError
from uploader.settings import Settings, load_settings

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  recognised, not bound
_TIMEOUT_S = 3.0


def find_health_fault(settings: Settings) -> str | None:
    """Return what is wrong with the uploader that has these settings, or None if it is alive."""
    host = _LOOPBACK.get(settings.api_host, settings.api_host)
    connection = _connect(settings, host)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"{host}:{settings.api_port} does not respond: {error!r}"
    finally:
        connection.close()
    return None if status == 200 else f"{host}:{settings.api_port} responds with {status}"


def _connect(settings: Settings, host: str) -> HTTPConnection:
    if settings.scheme == "http":
        return HTTPConnection(host, settings.api_port, timeout=_TIMEOUT_S)
    # Nothing secret is sent or read, and the certificate names the public host rather than this loopback address.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection(host, settings.api_port, timeout=_TIMEOUT_S, context=context)


def main() -> None:
    """Exit with 0 or 1, with the reason on stderr, which the container engine keeps."""
    try:
        fault = find_health_fault(load_settings(env_file=Path(".env")))
    except SettingsError as error:
        fault = error.detail
    sys.exit(fault)


if __name__ == "__main__":
    main()
