"""``python -m uploader.healthcheck``: ends with 0 where the uploader of this container answers, and with 1 otherwise.

For the health check of the image, which needs neither a shell nor curl. It reads the settings that the uploader reads,
so the port is the same.
"""

from __future__ import annotations

import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from contracts.errors import SettingsError
from uploader.settings import Settings, load_settings

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  recognised, not bound
_ANSWER_S = 3.0


def health_fault(settings: Settings) -> str | None:
    """Return what is wrong with the uploader that has these settings; None: it lives."""
    host = _LOOPBACK.get(settings.api_host, settings.api_host)
    connection = HTTPConnection(host, settings.api_port, timeout=_ANSWER_S)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"{host}:{settings.api_port} does not answer: {error!r}"
    finally:
        connection.close()
    return None if status == 200 else f"{host}:{settings.api_port} answers {status}"


def main() -> None:
    """Exit with 0 or 1; the reason goes to stderr, where the engine keeps it."""
    try:
        fault = health_fault(load_settings(env_file=Path(".env")))
    except SettingsError as error:
        fault = error.detail
    sys.exit(fault)


if __name__ == "__main__":
    main()
