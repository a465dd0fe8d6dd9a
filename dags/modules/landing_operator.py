"""The operator behind ``monitor_nifi_status``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from dags.modules.landing import raise_not_landed

if TYPE_CHECKING:
    from airflow.sdk import Context


class LandingOperator(BaseOperator):
    """Waits, deferred, until every chunk of the run has landed.

    Small chunks have landed before this task has started, so it looks once itself: that saves the way through the
    triggerer.
    """

    def __init__(self, *, deadline_s: float, **kwargs: Any) -> None:  # noqa: ANN401 - those of BaseOperator
        super().__init__(**kwargs)
        self.deadline_s = deadline_s

    def execute(self, context: Context) -> None:
        """Look once, and defer for what is still to come.

        Raises:
            InvalidMessageError: the uploader knows none of the run's messages.
            AirflowSkipException: the upload was deleted.
            StateRefusedError: the uploader refuses the evidence.
        """
        from dags.modules.chunk_run import keep_genuine, load_run, open_uploader, skip_deleted
        from dags.modules.landing_trigger import LandingTrigger, open_watch
        from dags.modules.task_spans import task_span

        run = load_run(context)
        with skip_deleted(run.upload_id), task_span(self.task_id, run.upload_id, run.traceparent) as span:
            run = keep_genuine(run, open_uploader(run))
            watch = open_watch(upload_id=run.upload_id, base_url=run.base_url, chunks=run.expected)
            watch.look()
            span.note({"csvpipe.chunks.pending": len(watch.pending)})
        if watch.pending:
            trigger = LandingTrigger.of(
                upload_id=run.upload_id, base_url=run.base_url, chunks=watch.pending, deadline_s=self.deadline_s
            )
            waits = {"upload_id": run.upload_id, "parent": run.traceparent, "start_ns": time.time_ns()}
            self.defer(trigger=trigger, method_name="execute_complete", kwargs={"waits": waits})

    def execute_complete(self, context: Context, event: dict[str, Any], waits: dict[str, Any] | None = None) -> None:  # noqa: ARG002 - Airflow's call
        """Take the trigger's event; ``waits`` is what the span of the waiting is made of.

        Raises:
            ChunksNotLandedError: chunks are missing; each is named.
            AirflowSkipException: the upload was deleted meanwhile.
            RuntimeError: the trigger could not look.
        """
        from dags.modules.task_spans import task_span

        if waits is None:  # deferred by an older release
            self._judge(event)
            return
        with task_span("wait_for_landing", **waits):
            self._judge(event)

    def _judge(self, event: dict[str, Any]) -> None:
        from airflow.sdk.exceptions import AirflowSkipException

        if "gone" in event:
            raise AirflowSkipException(event["gone"])
        if "error" in event:
            raise RuntimeError(event["error"])
        raise_not_landed(event["missing"], self.deadline_s)
