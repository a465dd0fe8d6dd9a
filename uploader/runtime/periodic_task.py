"""Work that is done again and again in the background, in threads, until the uploader stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from uploader.errors import ManifestUnavailableError
from uploader.runtime.blocking_pool import BlockingPool

_log = logging.getLogger(__name__)


class PeriodicTask:
    """Calls ``step`` every ``interval_s``; after a failure (False, or an error) less and less often."""

    def __init__(
        self, *, name: str, step: Callable[[], bool], threads: BlockingPool, interval_s: float, longest_s: float
    ) -> None:
        self._name = name
        self._step = step
        self._threads = threads
        self._interval_s = interval_s
        self._longest_s = longest_s
        self._poked = asyncio.Event()
        self._stopping = False

    def poke(self) -> None:
        """Let the next step come at once (call on the event loop)."""
        self._poked.set()

    def stop(self) -> None:
        """Let the loop end after the step that runs (call on the event loop)."""
        self._stopping = True
        self._poked.set()

    async def run(self) -> None:
        """Run until :meth:`stop`."""
        wait_s = self._interval_s
        while not self._stopping:
            self._poked.clear()
            succeeded = await self._try_step()
            wait_s = self._interval_s if succeeded else min(wait_s * 2, self._longest_s)
            with suppress(TimeoutError):
                if not self._stopping:
                    await asyncio.wait_for(self._poked.wait(), timeout=wait_s)

    async def _try_step(self) -> bool:
        try:
            return await self._threads.run(self._step)
        except ManifestUnavailableError as error:
            _log.warning("%s: %s", self._name, error.detail)
        except Exception:  # noqa: BLE001  a loop outlives what one step meets, and says so
            _log.exception("%s failed; it will be tried again", self._name)
        return False
