"""Ports that belong to one process, and listeners that are found by their port."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import threading

import pytest

from stack import ports
from stack.ports import free_ports, is_free, listener_on

CLAIM = "import sys; from stack import ports; ports._CANDIDATES = [int(port) for port in sys.argv[2:]]"
CLAIM += "; print(*ports.free_ports(int(sys.argv[1])), flush=True); sys.stdin.read()"


class OtherProcess(subprocess.Popen[str]):
    """A process that asks for so many of ``candidates``, and keeps them until its stdin is closed."""

    def __init__(self, count: int, candidates: list[int]) -> None:
        argv = [sys.executable, "-c", CLAIM, str(count), *map(str, candidates)]
        pipe = subprocess.PIPE
        super().__init__(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def ports(self) -> list[int]:
        """Return the ports that it got; none: there were fewer."""
        assert self.stdout is not None
        return [int(port) for port in self.stdout.readline().split()]


def test_free_ports_are_handed_out_once_though_nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = free_ports(3)
    assert all(is_free(port) for port in mine)
    monkeypatch.setattr(ports, "_CANDIDATES", mine)
    with pytest.raises(RuntimeError, match="fewer than 1 free ports"):
        free_ports(1)


def test_free_ports_of_another_process_are_not_given_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    *candidates, mine = free_ports(3)
    monkeypatch.setattr(ports, "_claimed", {mine})
    for port in candidates:
        fcntl.lockf(ports._claims(), fcntl.LOCK_UN, 1, port)
    monkeypatch.setattr(ports, "_CANDIDATES", [*candidates, mine])
    with OtherProcess(2, [*candidates, mine]) as other:
        assert sorted(other.ports()) == sorted(candidates)
        with OtherProcess(1, candidates) as third:
            assert third.ports() == []
            assert "RuntimeError: fewer than 1 free ports" in third.communicate()[1]
        with pytest.raises(RuntimeError):
            free_ports(1)
        other.communicate()
    assert sorted(free_ports(2)) == sorted(candidates)


def test_threads_of_a_process_get_different_ports() -> None:
    got: list[int] = []
    threads = [threading.Thread(target=lambda: got.extend(free_ports(20))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(got)) == 160


def test_port_with_a_listener_is_not_free_and_its_process_is_named() -> None:
    (port,) = free_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
        assert listener_on(port).startswith(f"pid {os.getpid()} (")
    assert is_free(port)
    assert listener_on(port) == "an unknown process"
