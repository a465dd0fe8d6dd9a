"""Local TCP ports: find free ones, and the program that uses one."""

from __future__ import annotations

import random
import socket

import psutil

_CANDIDATES = range(15_000, 32_000)


def is_free(port: int, *, host: str = "127.0.0.1") -> bool:
    """Return whether a program can currently listen on ``port`` of ``host``."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError:
            return False
    return True


def free_ports(count: int, *, host: str = "127.0.0.1") -> list[int]:
    """Return ``count`` different ports that are currently free.

    They are below the kernel's range for outgoing connections, so that no client connection can take the port of a
    service while it restarts.

    Raises:
        RuntimeError: Fewer than ``count`` ports are free.
    """
    found: set[int] = set()
    for port in random.sample(_CANDIDATES, len(_CANDIDATES)):
        if len(found) == count:
            return list(found)
        if is_free(port, host=host):
            found.add(port)
    raise RuntimeError(f"fewer than {count} free ports between {_CANDIDATES[0]} and {_CANDIDATES[-1]}")


def listener_on(port: int) -> str:
    """Return a description of the process that listens on ``port``, as far as permissions allow."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            return _describe_process(connection.pid)
    return "an unknown process"


def _describe_process(pid: int | None) -> str:
    try:
        return f"pid {pid} ({psutil.Process(pid).name()})" if pid else "a process of another user"
    except psutil.NoSuchProcess:
        return f"pid {pid}"
