"""A TCP proxy on a free port that cuts its first connections after a number of response bytes."""

from __future__ import annotations

import socket
from contextlib import AbstractContextManager

from tests.support.network.faulty_proxy import FaultyProxy, serving

_BLOCK_BYTES = 64 * 1024


class CuttingProxy(FaultyProxy):
    """Forwards to ``target``; each of the first ``cuts`` long answers ends after ``cut_after_bytes``."""

    def __init__(self, target: tuple[str, int], *, cuts: int, cut_after_bytes: int) -> None:
        super().__init__(target, faults=cuts)
        self._cut_after_bytes = cut_after_bytes

    @property
    def cuts_made(self) -> int:
        """How many answers were cut."""
        return self.faults_made

    def pass_on(self, source: socket.socket, target: socket.socket) -> None:
        """Pass on an answer, up to its cut."""
        passed_bytes = 0
        while data := source.recv(_BLOCK_BYTES):
            passed_bytes += len(data)
            if passed_bytes >= self._cut_after_bytes and self.may_disturb():
                return
            target.sendall(data)


def cutting_proxy(host: str, port: int, *, cuts: int, cut_after_bytes: int) -> AbstractContextManager[CuttingProxy]:
    """Run a proxy in front of ``host:port`` until the block ends."""
    return serving(CuttingProxy((host, port), cuts=cuts, cut_after_bytes=cut_after_bytes))
