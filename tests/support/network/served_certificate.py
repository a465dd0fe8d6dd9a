"""The certificate that a server on this machine has."""

from __future__ import annotations

import ssl
from pathlib import Path

from tests.support.waiting import wait_until


def wait_until_served(port: int, certificate: Path) -> None:
    """Wait until the server on ``port`` has the certificate in a file. It may restart meanwhile."""
    wanted = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    wait_until(lambda: _served(port) == wanted, what=f"{certificate} is served on port {port}", deadline_s=120)


def _served(port: int) -> bytes | None:
    try:
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port), timeout=30))
    except OSError:
        return None
