"""Readiness probes. Each returns None if the service is ready, or the reason why it is not."""

from __future__ import annotations

from pathlib import Path

import httpx

from stack.certificates import CertificateFiles
from stack.tls import tls_context

_TIMEOUT_S = 3.0


def http_ok(url: str, *, ca_file: Path | None = None, client: CertificateFiles | None = None) -> str | None:
    """Check that ``url`` returns 2xx. ``ca_file`` and ``client`` are as in :func:`tls_context`."""
    try:
        response = httpx.get(url, timeout=_TIMEOUT_S, trust_env=False, verify=tls_context(ca_file, client))
    except httpx.TransportError as error:
        return f"{url} does not answer yet ({error})"
    return None if response.is_success else f"{url} returns {response.status_code}"
