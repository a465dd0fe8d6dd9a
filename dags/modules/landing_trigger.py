"""Trigger of the task ``monitor_nifi_status``: runs the landing monitor in the triggerer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from contracts.backoff import Backoff
from dags.modules.errors import UploadDeletedError
from dags.modules.landing_monitor import LandingMonitor
from dags.modules.object_store import ExpectedChunk

CHECK_WAITS = Backoff(first_s=0.5, longest_s=5.0, factor=1.5)
"""Waits between checks while no chunk lands."""


def open_monitor(*, upload_id: str, base_url: str, chunks: list[ExpectedChunk]) -> LandingMonitor:
    """Return the landing monitor for ``chunks`` in the configured bucket."""
    from dags.modules.object_store import open_store
    from dags.modules.uploader_access import load_access
    from dags.modules.uploader_client import UploaderClient

    uploader = UploaderClient(base_url=base_url, upload_id=upload_id, access=load_access())
    return LandingMonitor(store=open_store(), uploader=uploader, chunks=chunks, reopen_store=open_store)


class LandingTrigger(BaseTrigger):
    """Checks until every chunk has landed, or none has for ``deadline_s``.

    The deadline restarts with every chunk that lands, as NiFi works through its queue, and when the triggerer restarts.
    All reports can be repeated, so two triggerers may run the same trigger. ``open_monitor`` is replaced in tests, and
    not serialized.
    """

    def __init__(
        self,
        *,
        upload_id: str,
        base_url: str,
        chunks: list[dict[str, Any]],
        deadline_s: float,
        open_monitor: Callable[..., LandingMonitor] = open_monitor,
    ) -> None:
        super().__init__()
        self.upload_id = upload_id
        self.base_url = base_url
        self.chunks = chunks
        self.deadline_s = deadline_s
        self._open_monitor = open_monitor

    @classmethod
    def of(cls, *, upload_id: str, base_url: str, chunks: list[ExpectedChunk], deadline_s: float) -> LandingTrigger:
        """Return the trigger for ``chunks``."""
        return cls(
            upload_id=upload_id, base_url=base_url, chunks=[asdict(chunk) for chunk in chunks], deadline_s=deadline_s
        )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, from which a triggerer creates this trigger again."""
        arguments = {
            "upload_id": self.upload_id,
            "base_url": self.base_url,
            "chunks": self.chunks,
            "deadline_s": self.deadline_s,
        }
        return f"{__name__}.LandingTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event.

        It is ``{"missing": [descriptions]}``, ``{"deleted": text}`` if the upload was deleted in the meantime, or
        ``{"error": text}`` if checking again would not help.
        """
        try:
            # In a thread, as boto3 and requests block. A thread of its own also avoids the one that asgiref shares,
            # which the Kafka trigger blocks while it polls.
            monitor = await asyncio.to_thread(self._open)
            yield TriggerEvent({"missing": await wait_until_landed(monitor, deadline_s=self.deadline_s)})
        except UploadDeletedError as error:
            yield TriggerEvent({"deleted": f"upload {self.upload_id}: {error.detail}"})
        except Exception as error:  # noqa: BLE001 - the waiting task must learn of any error, and retry
            yield TriggerEvent({"error": f"{type(error).__name__}: {error}"})

    def _open(self) -> LandingMonitor:
        chunks = [ExpectedChunk(**chunk) for chunk in self.chunks]
        return self._open_monitor(upload_id=self.upload_id, base_url=self.base_url, chunks=chunks)


async def wait_until_landed(
    monitor: LandingMonitor,
    *,
    deadline_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> list[str]:
    """Check until no chunk is pending, or none has landed for ``deadline_s``. Return descriptions of the missing ones.

    Raises:
        StateRefusedError: The uploader rejected the evidence.
        UploadDeletedError: The deadline passed because the upload was deleted.
    """
    progress_at = clock()
    idle_checks = 0
    while True:
        started_at = clock()
        landed = await asyncio.to_thread(monitor.check)
        now = clock()
        if not monitor.pending:
            return []
        if landed:
            progress_at, idle_checks = now, 0
        elif now - progress_at >= deadline_s:
            return await asyncio.to_thread(monitor.report_failed)
        # Wait at least as long as the check took, however many chunks there are.
        idle_checks += 1
        await sleep(max(CHECK_WAITS.wait_s(idle_checks), now - started_at))
