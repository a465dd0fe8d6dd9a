"""The minimum upload rate, with an event loop whose clock the test advances."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from uploader.errors import UploadStalledError
from uploader.ingest.minimum_rate import MinimumRate

WINDOW_S = 60.0
LEAST_BYTES = 1000


class SkippingLoop(asyncio.SelectorEventLoop):
    """A loop whose clock can be put forward."""

    skipped_s = 0.0

    def time(self) -> float:
        return super().time() + self.skipped_s

    async def skip(self, seconds: float) -> None:
        """Let ``seconds`` pass at once, and what was to happen by then happen."""
        self.skipped_s += seconds
        for _ in range(3):
            await asyncio.sleep(0)


def keep(client: Callable[[MinimumRate, SkippingLoop], Awaitable[None]], *, least_bytes: int = LEAST_BYTES) -> None:
    loop = SkippingLoop()

    async def run() -> None:
        rate = MinimumRate(window_s=WINDOW_S, least_bytes=least_bytes)
        async with rate.enforced():
            await client(rate, loop)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(run())


def test_slow_client_is_refused_with_the_required_rate() -> None:
    async def trickle(rate: MinimumRate, loop: SkippingLoop) -> None:
        for _ in range(100):
            await loop.skip(WINDOW_S / 6)
            rate.count(1)

    with pytest.raises(UploadStalledError, match=r"received [56] bytes in 60 s.*1,000.*MIN_UPLOAD_RATE_KB_S"):
        keep(trickle)


def test_client_that_stops_after_a_fast_start_is_refused() -> None:
    async def stop(rate: MinimumRate, loop: SkippingLoop) -> None:
        for _ in range(10):
            await loop.skip(1)
            rate.count(10 * LEAST_BYTES)
        await loop.skip(WINDOW_S)

    with pytest.raises(UploadStalledError):
        keep(stop)


def test_client_at_the_minimum_rate_is_accepted() -> None:
    async def hurry(rate: MinimumRate, loop: SkippingLoop) -> None:
        for _ in range(200):
            await loop.skip(WINDOW_S / 6)
            rate.count(LEAST_BYTES // 5)

    keep(hurry)


def test_paused_time_does_not_count() -> None:
    async def wait_for_us(rate: MinimumRate, loop: SkippingLoop) -> None:
        for _ in range(10):
            rate.count(1)
            with rate.paused():
                await loop.skip(10 * WINDOW_S)

    keep(wait_for_us)


def test_without_a_rate_one_byte_per_window_is_enough() -> None:
    async def trickle(rate: MinimumRate, loop: SkippingLoop) -> None:
        for _ in range(20):
            await loop.skip(WINDOW_S * 0.9)
            rate.count(1)

    keep(trickle, least_bytes=1)
