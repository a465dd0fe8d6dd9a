"""Whom a replica trusts when it asks another one."""

from __future__ import annotations

import ssl
from pathlib import Path

from contracts.tls_faults import trusting


def replica_trust(ca_file: Path | None) -> ssl.SSLContext | bool:
    """Return httpx's ``verify``: the authorities in ``REPLICA_CA_FILE``, or httpx's own without it.

    Raises:
        SettingsError: the file cannot be read, or has no certificate.
    """
    return True if ca_file is None else trusting(str(ca_file), setting="REPLICA_CA_FILE")
