"""Background work that runs periodically in threads until the uploader stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from contracts.backoff import Backoff
from uploader.errors import ManifestUnavailableError
from uploader.runtime.blocking_pool import BlockingPool

_log = logging.getLogger(__name__)


class PeriodicTask:
    """Calls ``step`` in a thread every ``interval_s``; after a failure (False, or an error) with growing intervals."""

    def __init__(
        self, *, name: str, step: Callable[[], bool], pool: BlockingPool, interval_s: float, longest_s: float
    ) -> None:
        self._name = name
        self._run_step: Callable[[], Awaitable[bool]] = partial(pool.run, step)
        self._interval_s = interval_s
        self._backoff = Backoff(first_s=2 * interval_s, longest_s=longest_s)
        self._woken = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Start the next step immediately (call on the event loop)."""
        self._woken.set()

    def stop(self) -> None:
        """End the task after the running step (call on the event loop)."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Run until :meth:`stop`."""
        failures = 0
        while not self._stopping:
            self._woken.clear()
            failures = 0 if await self._try_step() else failures + 1
            wait_s = self._backoff.wait_s(failures) if failures else self._interval_s
            with suppress(TimeoutError):
                if not self._stopping:
                    await asyncio.wait_for(self._woken.wait(), timeout=wait_s)

    async def _try_step(self) -> bool:
        try:
            return await self._run_step()
        except ManifestUnavailableError as error:
            _log.warning("Background task failed; retrying later", extra={"task": self._name, "error": error.detail})
        except Exception:  # noqa: BLE001  the task outlives the errors of one step, and logs them
            _log.exception("Background task failed; retrying later", extra={"task": self._name})
        return False


class PeriodicCoroutine(PeriodicTask):
    """Awaits ``step`` on the event loop instead."""

    def __init__(
        self,
        *,
        name: str,
        step: Callable[[], Awaitable[bool]],
        pool: BlockingPool,
        interval_s: float,
        longest_s: float,
    ) -> None:
        super().__init__(name=name, step=bool, pool=pool, interval_s=interval_s, longest_s=longest_s)
        self._run_step = step
