"""Questions that tell whether a service does its work: each returns None, or one line that says what is missing."""

from __future__ import annotations

import httpx

_TIMEOUT_S = 3.0


def http_ok(url: str) -> str | None:
    """Ask that ``url`` answers 2xx."""
    try:
        response = httpx.get(url, timeout=_TIMEOUT_S, trust_env=False)
    except httpx.TransportError as error:
        return f"{url} does not answer yet ({error})"
    return None if response.is_success else f"{url} answers {response.status_code}"
