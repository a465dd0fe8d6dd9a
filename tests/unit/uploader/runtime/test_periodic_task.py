from __future__ import annotations

import asyncio
import threading

import pytest

from uploader.errors import ManifestUnavailableError
from uploader.runtime.blocking_pool import BlockingPool
from uploader.runtime.periodic_task import PeriodicTask

LONG_S = 3_600.0


async def steps_of(loop: PeriodicTask, done: threading.Event) -> None:
    task = asyncio.create_task(loop.run())
    assert await asyncio.to_thread(done.wait, 60)
    loop.stop()
    await asyncio.wait_for(task, timeout=60)


def test_wake_starts_a_step_immediately() -> None:
    async def run() -> int:
        threads = BlockingPool(name="test", size=1)
        count, twice = 0, threading.Event()

        def step() -> bool:
            nonlocal count
            count += 1
            if count == 1:
                event_loop.call_soon_threadsafe(loop.wake)
            else:
                twice.set()
            return True

        event_loop = asyncio.get_running_loop()
        loop = PeriodicTask(name="test", step=step, pool=threads, interval_s=LONG_S, longest_s=LONG_S)
        await steps_of(loop, twice)
        await threads.close()
        return count

    assert asyncio.run(run()) == 2


@pytest.mark.parametrize("error", [RuntimeError("a bug"), ManifestUnavailableError("the database is away")])
def test_errors_of_a_step_are_logged_and_the_task_continues(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        threads = BlockingPool(name="test", size=1)
        count, again = 0, threading.Event()

        def step() -> bool:
            nonlocal count
            count += 1
            if count > 2:
                again.set()
                return True
            raise error

        await steps_of(PeriodicTask(name="the step", step=step, pool=threads, interval_s=0.01, longest_s=0.02), again)
        await threads.close()

    asyncio.run(run())
    failed = [record for record in caplog.records if getattr(record, "task", None) == "the step"]
    assert len(failed) >= 2
    assert all(str(error) in f"{getattr(record, 'error', '')}{record.exc_text}" for record in failed)


def test_stop_waits_for_the_running_step() -> None:
    async def run() -> bool:
        threads = BlockingPool(name="test", size=1)
        begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

        def step() -> bool:
            begun.set()
            assert go_on.wait(60)
            ended.set()
            return True

        loop = PeriodicTask(name="test", step=step, pool=threads, interval_s=LONG_S, longest_s=LONG_S)
        task = asyncio.create_task(loop.run())
        await asyncio.to_thread(begun.wait, 60)
        loop.stop()
        go_on.set()
        await asyncio.wait_for(task, timeout=60)
        await threads.close()
        return ended.is_set()

    assert asyncio.run(run())
