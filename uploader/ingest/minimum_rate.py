"""The least pace of an upload: its client holds a slot, threads and buffers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from uploader.errors import UploadStalledError


class MinimumRate:
    """Ends an upload whose client sends less than ``least_bytes`` in ``window_s`` seconds.

    A new window begins whenever so much has come. The time in which the uploader itself holds the client up, because
    disk or threads are slow, does not count.
    """

    def __init__(self, *, window_s: float, least_bytes: int) -> None:
        self._window_s = window_s
        self._least_bytes = least_bytes
        self._timeout = asyncio.timeout(None)
        self._bytes = 0
        self._renew_at = 0.0

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Watch the pace for the length of the block.

        Raises:
            UploadStalledError: the client was too slow.
        """
        try:
            async with asyncio.timeout(self._window_s) as self._timeout:
                yield
        except TimeoutError as error:
            raise UploadStalledError(self._text(), idle_s=self._window_s) from error

    def arrived(self, size_bytes: int) -> None:
        """Count what has come."""
        self._bytes += size_bytes
        if self._bytes >= self._least_bytes and not self._timeout.expired():
            now = asyncio.get_running_loop().time()
            if now >= self._renew_at:  # not each time: there may be thousands a second
                self._begin_window(now)

    @contextmanager
    def our_turn(self) -> Iterator[None]:
        """Do not count what is done here as the client's time."""
        self._timeout.reschedule(None)
        yield
        self._begin_window(asyncio.get_running_loop().time())

    def _begin_window(self, now: float) -> None:
        self._bytes = 0
        self._renew_at = now + self._window_s / 10
        self._timeout.reschedule(now + self._window_s)

    def _text(self) -> str:
        came = f"{self._bytes} bytes have come" if self._bytes else "nothing has come"
        return (
            f"{came} in {self._window_s:g} seconds, and at least {self._least_bytes} must (MIN_UPLOAD_RATE_KB_S): the "
            "upload was given up, and nothing of it was kept; send it again over a faster connection"
        )
