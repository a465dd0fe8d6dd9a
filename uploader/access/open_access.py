"""Where keys are not needed: ``ACCESS=open``, or ``auto`` while the service is for this machine only."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from uploader.settings import Settings

_OF_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


def is_open(settings: Settings, local_address: str | None, *, headers: Headers | None = None) -> bool:
    """Return whether a request needs no key.

    With ``auto`` all must be loopback: ``API_HOST``, the host of ``API_BASE_URL``, which others are told, the address
    on which the connection was accepted, which differs from ``API_HOST`` if another server than ``csvpipe serve`` runs
    the application; and what the request itself names. A browser on this machine sends requests for every web page that
    it shows: they name the page as their origin, and also as the host if its name leads to this machine (DNS
    rebinding). A proxy on this machine sends requests of other machines.

    Args:
        settings: with ``ACCESS``, ``API_HOST`` and ``API_BASE_URL``.
        local_address: of the connection; None or a name if it is not one of TCP.
        headers: of the request; None for what holds for every request.
    """
    if settings.access != "auto":
        return settings.access == "open"
    listens_on_loopback = settings.api_host == "localhost" or _is_loopback(settings.api_host, if_name=False)
    # What is no IP address is the path of a socket, or the name of a test client.
    accepted_here = local_address is None or _is_loopback(local_address, if_name=True)
    is_for_this_machine = listens_on_loopback and accepted_here and _is_local(settings.base_url)
    return is_for_this_machine and (headers is None or _is_of_this_machine(headers))


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


def _is_of_this_machine(headers: Headers) -> bool:
    """Return whether a program of this machine makes the request, or a web page of it, as far as the headers tell."""
    if any(name in headers for name in _OF_PROXIES):
        return False
    # An image or a script of another site's page has no Origin. A link to here has the destination "document".
    if "cross-site" in headers.getlist("sec-fetch-site") and headers.get("sec-fetch-dest") != "document":
        return False
    named = [*(f"//{host}" for host in headers.getlist("host")), *headers.getlist("origin")]
    return all(map(_is_local, named))


def _is_local(address: str) -> bool:
    """Return whether the host in a URL is this machine, as far as its name tells."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return False
    return host == "localhost" or _is_loopback(host, if_name=False)


def _is_loopback(address: str, *, if_name: bool) -> bool:
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return if_name
