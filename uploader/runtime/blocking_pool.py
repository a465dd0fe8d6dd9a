"""Threads for blocking work (databases, Kafka, disks), which the event loop only waits for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


def find_thread_fault() -> str | None:
    """Return why no thread can be started, or None if one can (takes about 50 microseconds).

    A process that has reached its limit of threads or of memory answers no blocking request, and does not recover.
    """
    try:
        thread = threading.Thread(target=_do_nothing, name="probe", daemon=True)
        thread.start()
        thread.join()
    except (RuntimeError, MemoryError) as error:
        return f"no thread can be started: {error}"
    return None


def _do_nothing() -> None:
    """Return, in a thread that only shows that one can be started."""


class BlockingPool:
    """A separate pool, so that an unresponsive Kafka takes no thread from downloads or incoming uploads."""

    def __init__(self, *, name: str, size: int) -> None:
        self._executor = ThreadPoolExecutor(max_workers=size, thread_name_prefix=name)

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run ``work`` in a thread and return its result. Once started it runs to its end, even if cancelled."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, partial(work, *args, **kwargs))

    async def close(self) -> None:
        """Wait for running work, and drop queued work."""
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)
