"""The thread of one stage."""

from __future__ import annotations

import asyncio
import threading

import pytest

from uploader.ingest.pipeline.worker import Worker


def test_join_after_a_cancelled_join_waits_for_the_thread() -> None:
    async def cancel_a_join() -> None:
        failures: list[BaseException] = []
        begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

        def wait() -> None:
            begun.set()
            if go_on.wait(20):
                ended.set()

        worker = Worker(name="cancelled", on_failure=failures.append)
        worker.submit(wait)
        joining = asyncio.create_task(worker.join())
        await asyncio.to_thread(begun.wait, 20)
        joining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await joining
        go_on.set()
        await worker.join()
        assert ended.is_set()
        assert failures == []

    asyncio.run(cancel_a_join())
