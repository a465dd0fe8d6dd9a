"""Readiness probes. Each returns None if the service is ready, or the reason why it is not."""

from __future__ import annotations

import httpx

_TIMEOUT_S = 3.0


def http_ok(url: str) -> str | None:
    """Check that ``url`` returns 2xx."""
    try:
        response = httpx.get(url, timeout=_TIMEOUT_S, trust_env=False)
    except httpx.TransportError as error:
        return f"{url} does not answer yet ({error})"
    return None if response.is_success else f"{url} returns {response.status_code}"
