"""A limit on the bytes that the kernel keeps for a client that does not read."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress

UNSENT_BYTES = 256 * 1024
_TCP_NOTSENT_LOWAT = 25
"""The same on every architecture of Linux; Python has the name from 3.12 on."""


def limit_unsent_bytes(transport: asyncio.Transport) -> None:
    """Limit the bytes of a response that wait in the kernel to be sent, on Linux.

    Otherwise it takes several MB from each connection, as fast as they can be copied: hundreds of downloads that nobody
    reads would keep the event loop busy for seconds. Bytes on their way to the client do not count, so that a fast
    connection over a long distance is not slowed down.
    """
    connection = transport.get_extra_info("socket")
    if connection is None or not sys.platform.startswith("linux"):
        return
    with suppress(OSError):  # a socket of another kind, or a kernel that does not know the option
        connection.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, UNSENT_BYTES)
