"""Threads for work that blocks: databases, Kafka, disks. The event loop only ever waits for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


def thread_fault() -> str | None:
    """Return why no thread can be started; None where one can (takes some 50 microseconds).

    A process that has reached its limit of threads or of memory answers nothing that blocks, and does not recover.
    """
    try:
        thread = threading.Thread(target=_do_nothing, name="probe", daemon=True)
        thread.start()
        thread.join()
    except (RuntimeError, MemoryError) as error:
        return f"no thread can be started: {error}"
    return None


def _do_nothing() -> None:
    """Be the work of a thread that only shows that there can be one."""


class BlockingPool:
    """A pool of its own, so that a Kafka that hangs takes no thread from downloads or from uploads coming in."""

    def __init__(self, *, name: str, size: int) -> None:
        self._executor = ThreadPoolExecutor(max_workers=size, thread_name_prefix=name)

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run ``work`` in a thread and return what it returns. Once begun it runs to its end, cancelled or not."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, partial(work, *args, **kwargs))

    async def close(self) -> None:
        """Wait for what runs, and drop what has not begun."""
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)
