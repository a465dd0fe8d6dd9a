"""Comparison of addresses of a service: a key is sent to the address that it belongs to, and to no other."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from contracts.errors import SettingsError

_DEFAULT_PORTS = {"http": 80, "https": 443}


def check_address(url: str) -> str:
    """Return ``url``, the address of an uploader.

    Raises:
        SettingsError: it is not a URL with a host, or has a user name or password, which errors and process lists
            would show. The text does not repeat them.
    """
    parts = _split(url)
    if parts is None or parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "\\" in url:
        raise SettingsError(
            "the address of the uploader (CSVPIPE_URL, --url or url of the profile) must be a URL such as "
            "https://csv.example.com:8000"
        )
    if "@" in parts.netloc:
        raise SettingsError(
            "the address of the uploader (CSVPIPE_URL, --url or url of the profile) must not have a user name or "
            "password: errors would show it. Set CSVPIPE_KEY or CSVPIPE_KEY_FILE"
        )
    return url


def is_loopback(url: str) -> bool:
    """Return whether ``url`` names this machine. A name that only begins like an address of it does not."""
    parts = _split(url)
    return parts is not None and _is_loopback_host((parts.hostname or "").lower())


def is_same_service(one: str, other: str) -> bool:
    """Return whether two addresses name the same service: scheme, host, port and path; loopback names are equal."""
    parts = _split(one), _split(other)
    return parts[0] is not None and parts[1] is not None and _normalized(parts[0]) == _normalized(parts[1])


def _split(url: str) -> SplitResult | None:
    """Return the parts of ``url``, or None if it has another form or its port is not a number."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _normalized(parts: SplitResult) -> tuple[str, str, int | None, str]:
    host = (parts.hostname or "").lower()
    host = "localhost" if _is_loopback_host(host) else host
    return parts.scheme, host, parts.port or _DEFAULT_PORTS.get(parts.scheme), parts.path.rstrip("/")


def _is_loopback_host(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
