"""The trigger behind ``monitor_nifi_status``: watches the chunks of one run from the triggerer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from dags.modules.errors import UploadGoneError
from dags.modules.landing import LandingWatch
from dags.modules.object_store import ExpectedChunk

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 5.0


class LandingTrigger(BaseTrigger):
    """Looks until every chunk has landed, or none did for ``deadline_s``.

    The clock starts anew with every chunk that lands, since NiFi works through its queue, and when the triggerer is
    restarted. All reports can be repeated, so two triggerers that run the same trigger do no harm.
    """

    def __init__(self, *, upload_id: str, base_url: str, chunks: list[dict[str, Any]], deadline_s: float) -> None:
        super().__init__()
        self.upload_id = upload_id
        self.base_url = base_url
        self.chunks = chunks
        self.deadline_s = deadline_s

    @classmethod
    def of(cls, *, upload_id: str, base_url: str, chunks: list[ExpectedChunk], deadline_s: float) -> LandingTrigger:
        """Return the trigger for ``chunks``."""
        return cls(
            upload_id=upload_id, base_url=base_url, chunks=[asdict(chunk) for chunk in chunks], deadline_s=deadline_s
        )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what a triggerer needs to make this again."""
        arguments = {
            "upload_id": self.upload_id,
            "base_url": self.base_url,
            "chunks": self.chunks,
            "deadline_s": self.deadline_s,
        }
        return f"{__name__}.LandingTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event.

        It is ``{"missing": [names]}``, ``{"gone": text}`` when the upload was deleted meanwhile, or ``{"error": text}``
        when looking again would not help.
        """
        try:
            # In a thread, as boto3 and requests block; a thread each also keeps clear of the one that asgiref shares,
            # which the Kafka trigger holds while it polls.
            watch = await asyncio.to_thread(self._open_watch)
            yield TriggerEvent({"missing": await watch_landing(watch, deadline_s=self.deadline_s)})
        except UploadGoneError as error:
            yield TriggerEvent({"gone": f"upload {self.upload_id}: {error.detail}"})
        except Exception as error:  # noqa: BLE001 - whatever it is, the waiting task must hear of it and retry
            yield TriggerEvent({"error": f"{type(error).__name__}: {error}"})

    def _open_watch(self) -> LandingWatch:
        return open_watch(
            upload_id=self.upload_id, base_url=self.base_url, chunks=[ExpectedChunk(**chunk) for chunk in self.chunks]
        )


async def watch_landing(
    watch: LandingWatch,
    *,
    deadline_s: float,
    clock: Callable[[], float] = time.monotonic,
    first_wait_s: float = FIRST_WAIT_S,
) -> list[str]:
    """Look until nothing is pending, or nothing landed for ``deadline_s``; return the names of what is missing.

    Raises:
        StateRefusedError: the uploader refuses the evidence.
        UploadGoneError: nothing landed any more, as the upload was deleted.
    """
    progress_at = clock()
    wait_s = first_wait_s
    while True:
        began_at = clock()
        landed = await asyncio.to_thread(watch.look)
        now = clock()
        if not watch.pending:
            return []
        if landed:
            progress_at, wait_s = now, first_wait_s
        elif now - progress_at >= deadline_s:
            return await asyncio.to_thread(watch.give_up)
        # Never busier than half of the time, however many chunks there are to look at.
        await asyncio.sleep(max(wait_s, now - began_at))
        wait_s = min(wait_s * 1.5, LONGEST_WAIT_S)


def open_watch(*, upload_id: str, base_url: str, chunks: list[ExpectedChunk]) -> LandingWatch:
    """Return the watch for ``chunks`` on the configured bucket."""
    from dags.modules.object_store import open_store
    from dags.modules.uploader_client import UploaderClient

    return LandingWatch(
        store=open_store(), uploader=UploaderClient(base_url=base_url, upload_id=upload_id), chunks=chunks
    )
