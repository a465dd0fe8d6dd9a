"""A thread that runs jobs in order: one stage of an upload's pipeline."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

_T = TypeVar("_T")


class Worker:
    """Runs jobs in the order they come, until :meth:`join`. After a failure the rest is dropped.

    A thread of its own rather than a pool: stages wait for each other, and a pool too small for all of them would
    lock up.
    """

    def __init__(self, *, name: str, on_failure: Callable[[BaseException], None]) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._on_failure = on_failure
        self._dropping = False
        self._finished: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], None]) -> None:
        """Queue ``job``."""
        self._jobs.put(job)

    def drop(self) -> None:
        """Skip what is queued and what comes; the job that runs now is finished."""
        self._dropping = True

    async def join(self) -> None:
        """Wait until everything queued so far is done, and end the thread."""
        self._jobs.put(None)
        # Shielded: cancelling would go through to the future itself, and the next join would not wait.
        await asyncio.shield(asyncio.wrap_future(self._finished))

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._dropping:
                continue
            try:
                job()
            except BaseException as failure:  # noqa: BLE001 - it is raised again, on the event loop
                self._dropping = True
                self._on_failure(failure)
            del job
        self._finished.set_result(None)


async def on_own_thread(work: Callable[[], _T], *, name: str) -> _T:
    """Run ``work``, which may take minutes, where short work of others (``asyncio.to_thread``) need not wait for it."""
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
    try:
        return await asyncio.get_running_loop().run_in_executor(pool, work)
    finally:
        pool.shutdown(wait=False)
