"""The minimum rate of an upload, whose client occupies a slot, threads and buffers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from contracts.number_text import counted, format_count
from uploader.errors import UploadStalledError

_NOTHING_KEPT = "nothing of the upload was kept. Send it again over a faster connection"


class MinimumRate:
    """Ends an upload whose client sends less than ``least_bytes`` in ``window_s`` seconds.

    A new window begins whenever ``least_bytes`` have been received. Time in which the uploader itself delays the
    client, because its disk or threads are slow, does not count.
    """

    def __init__(self, *, window_s: float, least_bytes: int, consequence: str = _NOTHING_KEPT) -> None:
        self._window_s = window_s
        self._least_bytes = least_bytes
        self._consequence = consequence
        self._timeout = asyncio.timeout(None)
        self._bytes = 0
        self._renew_at = 0.0

    @asynccontextmanager
    async def enforced(self) -> AsyncIterator[None]:
        """Enforce the rate for the duration of the block.

        Raises:
            UploadStalledError: the client was too slow.
        """
        try:
            async with asyncio.timeout(self._window_s) as self._timeout:
                yield
        except TimeoutError as error:
            raise UploadStalledError(self._describe(), idle_s=self._window_s) from error

    def count(self, size_bytes: int) -> None:
        """Count received bytes."""
        self._bytes += size_bytes
        if self._bytes >= self._least_bytes and not self._timeout.expired():
            now = asyncio.get_running_loop().time()
            if now >= self._renew_at:  # not for every call: there may be thousands per second
                self._begin_window(now)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time of the block as the client's."""
        self._timeout.reschedule(None)
        yield
        self._begin_window(asyncio.get_running_loop().time())

    def _begin_window(self, now: float) -> None:
        self._bytes = 0
        self._renew_at = now + self._window_s / 10
        self._timeout.reschedule(now + self._window_s)

    def _describe(self) -> str:
        return (
            f"received {counted(self._bytes, 'byte')} in {self._window_s:g} s, fewer than the required "
            f"{format_count(self._least_bytes)} (MIN_UPLOAD_RATE_KB_S); {self._consequence}"
        )
