"""Operator of the task ``monitor_nifi_status``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from dags.modules.landing_monitor import LandingMonitor, raise_if_missing

if TYPE_CHECKING:
    from airflow.sdk import Context


class LandingOperator(BaseOperator):
    """Waits, deferred, until every chunk of the run has landed.

    Small chunks land before this task starts, so it checks once itself, which saves the detour through the triggerer.
    ``open_monitor`` is :func:`~dags.modules.landing_trigger.open_monitor`, or a replacement in tests.
    """

    def __init__(
        self,
        *,
        deadline_s: float,
        open_monitor: Callable[..., LandingMonitor] | None = None,
        **kwargs: Any,  # noqa: ANN401 - those of BaseOperator
    ) -> None:
        super().__init__(**kwargs)
        self.deadline_s = deadline_s
        self._open_monitor = open_monitor

    def execute(self, context: Context) -> None:
        """Check once, and defer if chunks are pending.

        Raises:
            InvalidMessageError: No message of the run matches the uploader's manifest.
            AirflowSkipException: The upload was deleted.
            StateRefusedError: The uploader rejected the evidence.
        """
        from dags.modules.chunk_run import keep_verified, load_run, open_uploader, skip_if_deleted
        from dags.modules.landing_trigger import LandingTrigger, open_monitor
        from dags.modules.task_spans import task_span

        run = load_run(context)
        with skip_if_deleted(run.upload_id), task_span(self.task_id, run.upload_id, run.traceparent) as span:
            run = keep_verified(run, open_uploader(run))
            monitor = (self._open_monitor or open_monitor)(
                upload_id=run.upload_id, base_url=run.base_url, chunks=run.expected
            )
            monitor.check()
            span.set_attributes({"csvpipe.chunks.pending": len(monitor.pending)})
        if monitor.pending:
            trigger = LandingTrigger.of(
                upload_id=run.upload_id, base_url=run.base_url, chunks=monitor.pending, deadline_s=self.deadline_s
            )
            wait_span = {"upload_id": run.upload_id, "parent": run.traceparent, "start_ns": time.time_ns()}
            self.defer(trigger=trigger, method_name="execute_complete", kwargs={"wait_span": wait_span})

    def execute_complete(self, context: Context, event: dict[str, Any], wait_span: dict[str, Any]) -> None:  # noqa: ARG002 - Airflow's call
        """Handle the trigger's event. ``wait_span`` holds the arguments of the span of the wait.

        Raises:
            ChunksNotLandedError: Chunks are missing. The message describes each.
            AirflowSkipException: The upload was deleted in the meantime.
            RuntimeError: The trigger could not check the chunks.
        """
        from dags.modules.task_spans import task_span

        with task_span("wait_for_landing", **wait_span):
            self._handle_event(event)

    def _handle_event(self, event: dict[str, Any]) -> None:
        from airflow.sdk.exceptions import AirflowSkipException

        if "deleted" in event:
            raise AirflowSkipException(event["deleted"])
        if "error" in event:
            raise RuntimeError(event["error"])
        raise_if_missing(event["missing"], self.deadline_s)
