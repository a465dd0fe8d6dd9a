"""The allow-list of addresses that chunks may be fetched from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dags.modules.errors import ConfigurationError
from dags.modules.settings import VARIABLE_ALLOWED_HOSTS

_ENTRY = re.compile(
    r"(?P<host>(\*\.)?[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?"
    r"(?P<prefix>(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*)"
)


@dataclass(frozen=True)
class AllowedHosts:
    """Allowed addresses: host (or ``*.suffix``), port (``None`` for any) and the path before ``/chunks``."""

    entries: tuple[tuple[str, int | None, str], ...]

    def allow(self, host: str, port: int, prefix: str = "") -> bool:
        """Return whether chunks may be fetched from ``host:port`` below the path ``prefix``."""
        return any(
            _host_matches(host, pattern) and only_port in (None, port) and prefix == path
            for pattern, only_port, path in self.entries
        )


def load_allowed_hosts() -> AllowedHosts:
    """Read the allow-list from Airflow's Variable.

    Raises:
        ConfigurationError: The Variable is not set or has an invalid entry.
    """
    from airflow.sdk import Variable

    return parse_allowed_hosts(Variable.get(VARIABLE_ALLOWED_HOSTS, default=None))


def parse_allowed_hosts(text: str | None) -> AllowedHosts:
    """Parse a comma-separated list of ``host``, ``host:port`` and ``*.suffix:port``.

    An entry may end in the path that a reverse proxy puts before ``/chunks``: ``gateway:443/csv``.

    Raises:
        ConfigurationError: The list is empty or an entry is invalid.
    """
    entries: list[tuple[str, int | None, str]] = []
    for raw in (text or "").split(","):
        entry = raw.strip()
        if not entry:
            continue
        match = _ENTRY.fullmatch(entry)
        if not match:
            raise ConfigurationError(
                f"Variable {VARIABLE_ALLOWED_HOSTS}: {entry!r} is not host, host:port or *.suffix:port, "
                "optionally followed by the path of a reverse proxy"
            )
        port = match["port"]
        entries.append((match["host"].lower().strip("[]"), int(port) if port else None, match["prefix"]))
    if not entries:
        raise ConfigurationError(
            f"Variable {VARIABLE_ALLOWED_HOSTS} is empty or not set. Set it to the host:port of each uploader"
        )
    return AllowedHosts(tuple(entries))


def _host_matches(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern
