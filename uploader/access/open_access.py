"""Where keys are not needed: ``ACCESS=open``, or ``auto`` while the service listens on loopback only."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from uploader.settings import Settings


def is_open(
    settings: Settings, local_address: str | None, *, hosts: Iterable[str] = (), origin: str | None = None
) -> bool:
    """Return whether a request needs no key.

    With ``auto`` all must be loopback: ``API_HOST``; the address on which the connection was accepted, which differs
    from it if another server than ``csvpipe serve`` runs the application; and what the request itself names. A browser
    on this machine sends requests for every web page that it shows: they name the page as their origin, and also as the
    host if its name leads to this machine (DNS rebinding).

    Args:
        settings: with ``ACCESS``, ``API_HOST`` and ``API_BASE_URL``, whose host counts as one of this machine.
        local_address: of the connection; None or a name if it is not one of TCP.
        hosts: the values of the header ``Host``.
        origin: the header ``Origin``, which browsers send.
    """
    if settings.access == "auto":
        listens_on_loopback = settings.api_host == "localhost" or _is_loopback(settings.api_host, if_name=False)
        # What is no IP address is the path of a socket, or the name of a test client.
        accepted_here = local_address is None or _is_loopback(local_address, if_name=True)
        named = [*(f"//{host}" for host in hosts), *([] if origin is None else [origin])]
        return listens_on_loopback and accepted_here and all(_is_local(each, settings) for each in named)
    return settings.access == "open"


def describe_access(settings: Settings, *, has_keys: bool) -> str:
    """Return one line for the log that says what is open."""
    address = f"{settings.api_host}:{settings.api_port}"
    metrics = "a key of its own" if settings.metrics_key is not None else "no key"
    if is_open(settings, None):
        return f"Access is open: anyone who reaches {address} may do everything (ACCESS={settings.access})"
    hint = "" if has_keys or settings.admin_key is not None else "; there is none yet: set ADMIN_KEY or create one"
    return (
        f"Access needs keys (ACCESS={settings.access}){hint}. Open without one: /health, /ready, /docs; /metrics needs "
        f"{metrics}"
    )


def _is_local(address: str, settings: Settings) -> bool:
    """Return whether the host in a URL is this machine, as far as its name tells."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return False
    own = urlsplit(settings.base_url).hostname
    return host in {"localhost", own} or _is_loopback(host, if_name=False)


def _is_loopback(address: str, *, if_name: bool) -> bool:
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return if_name
