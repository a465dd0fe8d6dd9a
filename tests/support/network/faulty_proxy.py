"""What TCP proxies that disturb a number of connections share: a free port, threads, and the count."""

from __future__ import annotations

import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

_BLOCK_BYTES = 64 * 1024
_Proxy = TypeVar("_Proxy", bound="FaultyProxy")


class FaultyProxy(ABC):
    """Forwards to ``target``. A subclass passes on one direction, and disturbs at most ``faults`` connections."""

    disturbs_requests = False
    """Whether the subclass passes on the requests; otherwise the answers."""

    def __init__(self, target: tuple[str, int], *, faults: int) -> None:
        self.faults_made = 0
        self._target = target
        self._faults = faults
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @abstractmethod
    def pass_on(self, source: socket.socket, target: socket.socket) -> None:
        """Pass on what comes from ``source``, until it ends or is disturbed."""

    def may_disturb(self) -> bool:
        """Return whether a fault is left, and count it."""
        with self._lock:
            if self.faults_made == self._faults:
                return False
            self.faults_made += 1
            return True

    def run(self) -> None:
        """Serve until :meth:`stop`."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def stop(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:
            source, target = (client, server) if self.disturbs_requests else (server, client)
            other_direction = threading.Thread(target=_pump, args=(target, source), daemon=True)
            other_direction.start()
            with suppress(OSError):  # either end may have gone
                self.pass_on(source, target)
            for end in (client, server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            other_direction.join()


@contextmanager
def serving(proxy: _Proxy) -> Iterator[_Proxy]:
    """Run ``proxy`` until the block ends."""
    thread = threading.Thread(target=proxy.run)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):  # either end may have gone
        while data := source.recv(_BLOCK_BYTES):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
