"""Comparison of addresses of a service: a key is sent to the address that it belongs to, and to no other."""

from __future__ import annotations

from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK_NAMES = frozenset({"localhost", "::1"})


def is_loopback(url: str) -> bool:
    """Return whether ``url`` names this machine."""
    host = (urlsplit(url).hostname or "").lower()
    return host in _LOOPBACK_NAMES or host.startswith("127.")


def is_same_service(one: str, other: str) -> bool:
    """Return whether two addresses name the same service: scheme, host, port and path; loopback names are equal."""
    return _normalized(one) == _normalized(other)


def _normalized(url: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(url)
    host = "localhost" if is_loopback(url) else (parts.hostname or "").lower()
    return parts.scheme, host, parts.port or _DEFAULT_PORTS.get(parts.scheme), parts.path.rstrip("/")
