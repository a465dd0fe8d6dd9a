"""Local TCP ports: which are free, and who holds one that is not."""

from __future__ import annotations

import random
import socket

import psutil

_CANDIDATES = range(15_000, 32_000)


def is_free(port: int, *, host: str = "127.0.0.1") -> bool:
    """Return whether one can listen on ``port`` of ``host`` right now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError:
            return False
    return True


def free_ports(count: int, *, host: str = "127.0.0.1") -> list[int]:
    """Return ``count`` different ports that nobody listens on right now.

    They lie below the range that the kernel gives to outgoing connections: a service that is stopped and started
    again must not find that a client's connection has taken its port meanwhile.

    Raises:
        RuntimeError: there are not that many.
    """
    found: set[int] = set()
    for port in random.sample(_CANDIDATES, len(_CANDIDATES)):
        if len(found) == count:
            return list(found)
        if is_free(port, host=host):
            found.add(port)
    raise RuntimeError(f"no {count} free ports between {_CANDIDATES[0]} and {_CANDIDATES[-1]}")


def holder_of(port: int) -> str:
    """Return who listens on ``port``, as far as we may know."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            return _described(connection.pid)
    return "an unknown process"


def _described(pid: int | None) -> str:
    try:
        return f"pid {pid} ({psutil.Process(pid).name()})" if pid else "a process of another user"
    except psutil.NoSuchProcess:
        return f"pid {pid}"
