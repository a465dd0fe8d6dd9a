"""A TCP proxy on a free port that breaks connections after a random number of request bytes."""

from __future__ import annotations

import random
import socket
import struct
from contextlib import AbstractContextManager

from tests.support.network.faulty_proxy import FaultyProxy, serving

_BLOCK_BYTES = 16 * 1024
_RESET = struct.pack("ii", 1, 0)


class BreakingProxy(FaultyProxy):
    """Forwards to ``target``; each of the first ``breaks`` connections is reset before ``most_bytes`` were sent."""

    disturbs_requests = True

    def __init__(self, target: tuple[str, int], *, breaks: int, most_bytes: int, dice: random.Random) -> None:
        super().__init__(target, faults=breaks)
        self._most_bytes = most_bytes
        self._dice = dice

    @property
    def broken(self) -> int:
        """How many connections were broken."""
        return self.faults_made

    def pass_on(self, source: socket.socket, target: socket.socket) -> None:
        """Pass on what the client sends; both ends are reset when the connection breaks."""
        left = self._dice.randrange(1, self._most_bytes)
        while data := source.recv(_BLOCK_BYTES):
            if len(data) >= left and self.may_disturb():
                target.sendall(data[:left])
                for end in (source, target):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                return
            target.sendall(data)
            left -= len(data)


def breaking_proxy(
    host: str, port: int, *, breaks: int, most_bytes: int, dice: random.Random
) -> AbstractContextManager[BreakingProxy]:
    """Run a proxy in front of ``host:port`` until the block ends."""
    return serving(BreakingProxy((host, port), breaks=breaks, most_bytes=most_bytes, dice=dice))
