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
    """Runs jobs in submission order until :meth:`join`. After a failure it drops the remaining jobs.

    It has its own thread instead of a pool's: the stages wait for each other, and a pool too small for all of them
    would deadlock.
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
        """Skip queued and later jobs; the running job is finished."""
        self._dropping = True

    async def join(self) -> None:
        """Wait until all queued jobs are done, and end the thread."""
        self._jobs.put(None)
        # Shielded: a cancellation would reach the future itself, and the next join would not wait.
        await asyncio.shield(asyncio.wrap_future(self._finished))

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._dropping:
                continue
            try:
                job()
            except BaseException as failure:  # noqa: BLE001 - raised again on the event loop
                self._dropping = True
                self._on_failure(failure)
            del job
        self._finished.set_result(None)


async def run_in_own_thread(work: Callable[[], _T], *, name: str) -> _T:
    """Run ``work``, which may take minutes, outside the pool of ``asyncio.to_thread``, which short work shares."""
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
    try:
        return await asyncio.get_running_loop().run_in_executor(pool, work)
    finally:
        pool.shutdown(wait=False)
