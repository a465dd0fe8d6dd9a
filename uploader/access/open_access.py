"""Where keys are not needed: ``ACCESS=open``, or ``auto`` while the service listens on loopback only."""

from __future__ import annotations

import ipaddress

from uploader.settings import Settings


def is_open(settings: Settings, local_address: str | None) -> bool:
    """Return whether a request needs no key.

    With ``auto`` both must be loopback: ``API_HOST``, and the address on which the connection was accepted, which
    differs from it if another server than ``csvpipe serve`` runs the application.

    Args:
        settings: with ``ACCESS`` and ``API_HOST``.
        local_address: of the connection; None or a name if it is not one of TCP.
    """
    if settings.access == "auto":
        listens_on_loopback = settings.api_host == "localhost" or _is_loopback(settings.api_host, if_name=False)
        # What is no IP address is the path of a socket, or the name of a test client.
        return listens_on_loopback and (local_address is None or _is_loopback(local_address, if_name=True))
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


def _is_loopback(address: str, *, if_name: bool) -> bool:
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return if_name
