"""Local TCP ports: find free ones that no other process gets, and the program that uses one."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
import threading
import time
from functools import cache
from itertools import islice
from pathlib import Path

import psutil

_CANDIDATES = range(15_000, 32_000)
_POLL_S = 0.02
_claimed: set[int] = set()
_claiming = threading.Lock()


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
    service while it restarts. They belong to this process until it ends: neither it nor another process of this user
    gets one of them again, also while nothing listens there yet.

    Raises:
        RuntimeError: Fewer than ``count`` ports are free.
    """
    candidates = random.sample(_CANDIDATES, len(_CANDIDATES))
    found = list(islice((port for port in candidates if _claim(port) and is_free(port, host=host)), count))
    if len(found) < count:
        raise RuntimeError(f"fewer than {count} free ports between {_CANDIDATES[0]} and {_CANDIDATES[-1]}")
    return found


def _claim(port: int) -> bool:
    """Lock the byte of ``port`` in a file that the processes of this user share; the kernel unlocks it at their end."""
    with _claiming:
        if port in _claimed:
            return False
        try:
            fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except (BlockingIOError, PermissionError):  # POSIX allows both
            return False
        _claimed.add(port)
        return True


@cache
def _claims() -> int:
    path = Path(tempfile.gettempdir(), f"csvpipe-ports-{os.getuid()}.lock")
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def listener_on(port: int) -> str:
    """Return a description of the process that listens on ``port``, as far as permissions allow."""
    pids = _listeners_on(port)
    return _describe_process(pids[0]) if pids else "an unknown process"


def becomes_free(port: int, *, host: str, within_s: float) -> bool:
    """Wait for a port whose process is ending; return False as soon as a process is known that listens on it.

    The kernel closes the sockets of a killed process when its last thread has ended. Before that, the process may be
    gone from all lists already.
    """
    deadline = time.monotonic() + within_s
    while not is_free(port, host=host):
        if any(pid is not None for pid in _listeners_on(port)) or time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _listeners_on(port: int) -> list[int | None]:
    """Return the pids of the processes that listen on ``port``, None for one that is ending or of another user."""
    return [
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
    ]


def _describe_process(pid: int | None) -> str:
    try:
        return f"pid {pid} ({psutil.Process(pid).name()})" if pid else "a process of another user"
    except psutil.NoSuchProcess:
        return f"pid {pid}"
