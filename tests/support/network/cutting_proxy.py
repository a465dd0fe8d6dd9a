"""TCP proxies on a free port that cut answers after a number of bytes, or all of their content."""

from __future__ import annotations

import socket
import sys
from contextlib import AbstractContextManager

from tests.support.network.faulty_proxy import FaultyProxy, serving

_BLOCK_BYTES = 64 * 1024
_LONG_BYTES = 4096


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


class HeadersOnlyProxy(FaultyProxy):
    """Forwards to ``target``; of answers over HTTP that are long, it passes on the headers only.

    They begin with 4 KiB at once at least, as servers in Go have a buffer of that size.
    """

    def pass_on(self, source: socket.socket, target: socket.socket) -> None:
        """Pass on short answers, and the headers of the first long one."""
        while data := source.recv(_BLOCK_BYTES):
            if data.startswith(b"HTTP/") and len(data) >= _LONG_BYTES and self.may_disturb():
                headers, end, _ = data.partition(b"\r\n\r\n")
                target.sendall(headers + end)
                return
            target.sendall(data)


def headers_only_proxy(host: str, port: int) -> AbstractContextManager[HeadersOnlyProxy]:
    """Run a proxy in front of ``host:port`` until the block ends, which passes on no content of long answers."""
    return serving(HeadersOnlyProxy((host, port), faults=sys.maxsize))


def cutting_proxy(host: str, port: int, *, cuts: int, cut_after_bytes: int) -> AbstractContextManager[CuttingProxy]:
    """Run a proxy in front of ``host:port`` until the block ends."""
    return serving(CuttingProxy((host, port), cuts=cuts, cut_after_bytes=cut_after_bytes))
