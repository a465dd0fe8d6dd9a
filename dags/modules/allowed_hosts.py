"""The allow-list of addresses that chunks may be fetched from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from dags.modules.errors import ConfigurationError
from dags.modules.settings import VARIABLE_ALLOWED_HOSTS

DEFAULT_PORTS = {"http": 80, "https": 443}
"""Allowed schemes, and the port of an address without one."""
_ENTRY = re.compile(
    r"(?P<scheme>https?)://(?P<host>(\*\.)?[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?"
    r"(?P<prefix>(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*)"
)
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_LONGEST_NAME = 253
"""Names of DNS. Clients decode or refuse others, each in its own way: ``a%2f.suffix``, ``a..suffix``."""


class AllowedAddress(NamedTuple):
    """An entry of the list. ``host`` can be ``*.suffix``; ``prefix`` is the path before ``/chunks``.

    The relay's key is sent to the address, so the scheme is a part of it: a message must not choose that the key goes
    over a connection without TLS.
    """

    scheme: str
    host: str
    port: int
    prefix: str = ""


@dataclass(frozen=True)
class AllowedHosts:
    """The addresses that chunks may be fetched from."""

    entries: tuple[AllowedAddress, ...]

    def allow(self, wanted: AllowedAddress) -> bool:
        """Return whether chunks may be fetched from ``wanted``."""
        return any(
            _host_matches(wanted.host, entry.host) and wanted._replace(host=entry.host) == entry
            for entry in self.entries
        )


def load_allowed_hosts() -> AllowedHosts:
    """Read the allow-list from Airflow's Variable.

    Raises:
        ConfigurationError: The Variable is not set or has an invalid entry.
    """
    from airflow.sdk import Variable

    return parse_allowed_hosts(Variable.get(VARIABLE_ALLOWED_HOSTS, default=None))


def parse_allowed_hosts(text: str | None) -> AllowedHosts:
    """Parse a comma-separated list of ``https://host:port`` and ``https://*.suffix:port``, or with ``http``.

    Without a port, an entry has the default port of its scheme. It may end in the path that a reverse proxy puts before
    ``/chunks``: ``https://gateway/csv``.

    Raises:
        ConfigurationError: The list is empty or an entry is invalid.
    """
    entries: list[AllowedAddress] = []
    for raw in (text or "").split(","):
        entry = raw.strip()
        if not entry:
            continue
        match = _ENTRY.fullmatch(entry)
        if not match:
            raise ConfigurationError(
                f"Variable {VARIABLE_ALLOWED_HOSTS}: {entry!r} is not https://host:port or https://*.suffix:port "
                "(or http), optionally followed by the path of a reverse proxy"
            )
        scheme = match["scheme"]
        port = int(match["port"] or DEFAULT_PORTS[scheme])
        entries.append(AllowedAddress(scheme, match["host"].lower().strip("[]"), port, match["prefix"]))
    if not entries:
        raise ConfigurationError(
            f"Variable {VARIABLE_ALLOWED_HOSTS} is empty or not set. Set it to the addresses of the uploaders, such as "
            "https://uploader:8000"
        )
    return AllowedHosts(tuple(entries))


def _host_matches(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) <= _LONGEST_NAME and _NAME.fullmatch(host) is not None
    return host == pattern
