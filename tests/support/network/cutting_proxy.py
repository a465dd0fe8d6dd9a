"""A TCP proxy on a free port that cuts its first connections after a number of response bytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_BLOCK_BYTES = 64 * 1024


class CuttingProxy:
    """Forwards to ``target``; each of the first ``cuts`` long answers ends after ``cut_after_bytes``."""

    def __init__(self, target: tuple[str, int], *, cuts: int, cut_after_bytes: int) -> None:
        self.cuts_made = 0
        self._target = target
        self._cuts = cuts
        self._cut_after_bytes = cut_after_bytes
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
            requests = threading.Thread(target=_pump, args=(client, server), daemon=True)
            requests.start()
            with suppress(OSError):  # either end may have gone
                self._answer(server, client)
            for end in (client, server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            requests.join()

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        passed_bytes = 0
        while data := server.recv(_BLOCK_BYTES):
            passed_bytes += len(data)
            if passed_bytes >= self._cut_after_bytes and self._may_cut():
                return
            client.sendall(data)

    def _may_cut(self) -> bool:
        with self._lock:
            if self.cuts_made == self._cuts:
                return False
            self.cuts_made += 1
            return True


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):  # either end may have gone
        while data := source.recv(_BLOCK_BYTES):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def cutting_proxy(host: str, port: int, *, cuts: int, cut_after_bytes: int) -> Iterator[CuttingProxy]:
    """Run a proxy in front of ``host:port`` until the block ends."""
    proxy = CuttingProxy((host, port), cuts=cuts, cut_after_bytes=cut_after_bytes)
    thread = threading.Thread(target=proxy.run)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join()
