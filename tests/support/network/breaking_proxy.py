"""A TCP proxy on a free port that breaks connections after a random number of request bytes."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_BLOCK_BYTES = 16 * 1024
_RESET = struct.pack("ii", 1, 0)


class BreakingProxy:
    """Forwards to ``target``; each of the first ``breaks`` connections is reset before ``most_bytes`` were sent."""

    def __init__(self, target: tuple[str, int], *, breaks: int, most_bytes: int, dice: random.Random) -> None:
        self.broken = 0
        self._target = target
        self._breaks = breaks
        self._most_bytes = most_bytes
        self._dice = dice
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

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
            answers = threading.Thread(target=_pump, args=(server, client), daemon=True)
            answers.start()
            with suppress(OSError):  # either end may have gone
                if self._pass_on(client, server):
                    for end in (client, server):
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            for end in (client, server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            answers.join()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> bool:
        """Pass on what the client sends; return whether the connection is to be broken."""
        left = self._dice.randrange(1, self._most_bytes)
        while data := client.recv(_BLOCK_BYTES):
            if len(data) >= left and self._may_break():
                server.sendall(data[:left])
                return True
            server.sendall(data)
            left -= len(data)
        return False

    def _may_break(self) -> bool:
        with self._lock:
            if self.broken == self._breaks:
                return False
            self.broken += 1
            return True


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):  # either end may have gone
        while data := source.recv(_BLOCK_BYTES):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def breaking_proxy(
    host: str, port: int, *, breaks: int, most_bytes: int, dice: random.Random
) -> Iterator[BreakingProxy]:
    """Run a proxy in front of ``host:port`` until the block ends."""
    proxy = BreakingProxy((host, port), breaks=breaks, most_bytes=most_bytes, dice=dice)
    thread = threading.Thread(target=proxy.run)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join()
