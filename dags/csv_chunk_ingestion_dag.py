"""Brings chunks of one upload from the uploader into the bucket, through NiFi, and proves that they are there.

A run is started by `csv-ingestion-listener` and carries in its conf all chunks of an upload that came in one batch; its
note says which. Four tasks, however many chunks: find out what is missing in the bucket, **relay** these to NiFi,
**watch** the objects until each has the announced size and SHA-256, and **publish** the upload's manifest when the last
one is there. Every step can be repeated: what lies in the bucket is not sent again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, get_current_context, task

from contracts.names import DAG_CHUNK_INGESTION
from dags.modules import settings
from dags.modules.alerts import alert_and_pause_listener
from dags.modules.landing_operator import LandingOperator
from dags.modules.retries import ByKindOfError

SETTINGS = settings.load_settings()


def _retry_policy(long_delay: timedelta) -> ByKindOfError:
    return ByKindOfError(
        retries=SETTINGS.all_retries,
        first_delay=SETTINGS.transient_retry_delay,
        longest_delay=settings.LONGEST_RETRY_DELAY,
        few_retries=SETTINGS.retries,
        long_delay=long_delay,
    )


with DAG(
    dag_id=DAG_CHUNK_INGESTION,
    description="Chunks of one upload: relay to NiFi, watch them land, publish the manifest",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=SETTINGS.max_active_runs,
    is_paused_upon_creation=False,
    tags=["csv-ingestion", "nifi", "s3"],
    default_args={
        "owner": "csv-ingestion",
        "retries": SETTINGS.all_retries,
        # Where there is no error to judge by, as when the process of a task is killed.
        "retry_delay": SETTINGS.transient_retry_delay,
        "retry_policy": _retry_policy(SETTINGS.retry_delay),
        "on_failure_callback": alert_and_pause_listener,
    },
):

    @task(execution_timeout=timedelta(minutes=15))
    def prepare_nifi_request() -> list[int]:
        """Returns the chunks that do not lie in the bucket yet, right in size and checksum.

        Passes over messages that contradict the uploader's manifest. Skips the run when its upload has been deleted.
        """
        from dags.modules.chunk_run import find_missing, keep_genuine, load_run, open_uploader, skip_deleted
        from dags.modules.object_store import open_store
        from dags.modules.task_spans import task_span

        run = load_run(get_current_context())
        with skip_deleted(run.upload_id), task_span("prepare_nifi_request", run.upload_id, run.traceparent) as span:
            missing = find_missing(keep_genuine(run, open_uploader(run)), open_store())
            span.note({"csvpipe.chunks.missing": len(missing)})
            return missing

    @task(execution_timeout=timedelta(minutes=30))
    def trigger_nifi_ingestion(chunk_ids: list[int]) -> None:
        """Posts the messages of the missing chunks to NiFi's ListenHTTP, and tells the uploader `relayed` for each.

        Before that it asks NiFi's REST API whether the process group runs and nothing in it is invalid. A retry leaves
        out what an earlier try has relayed.
        """
        from dags.modules.chunk_run import find_unsent, keep_genuine, load_run, open_uploader, relay, skip_deleted
        from dags.modules.nifi_api_client import open_nifi
        from dags.modules.object_store import open_store
        from dags.modules.task_spans import task_span

        context = get_current_context()
        run = load_run(context)
        uploader = open_uploader(run)
        with skip_deleted(run.upload_id), task_span("trigger_nifi_ingestion", run.upload_id, run.traceparent) as span:
            run = keep_genuine(run, uploader)
            began_at = context["dag_run"].start_date
            if context["ti"].try_number > 1 and began_at is not None:
                chunk_ids = find_unsent(run, open_store(), uploader, since=began_at)
            span.note({"csvpipe.chunks.to_send": len(chunk_ids)})
            relay(run, chunk_ids, nifi=open_nifi(), uploader=uploader, traceparent=span.traceparent)

    @task(execution_timeout=timedelta(minutes=15))
    def publish_manifest() -> str | None:
        """Writes the upload's manifest object when the uploader says that all of its chunks have landed.

        While other runs of the upload still have chunks under way, it leaves that to the last of them.
        """
        from dags.modules.chunk_run import load_run, open_uploader, publish, skip_deleted
        from dags.modules.object_store import open_store
        from dags.modules.task_spans import task_span

        run = load_run(get_current_context())
        with skip_deleted(run.upload_id), task_span("publish_manifest", run.upload_id, run.traceparent) as span:
            key = publish(open_uploader(run), open_store())
            span.note({"csvpipe.manifest.published": key is not None})
            return key

    monitor = LandingOperator(
        task_id="monitor_nifi_status",
        doc_md=(
            "Waits, deferred, until every chunk lies in the bucket with the announced size and SHA-256, and tells the "
            "uploader chunk by chunk. When none lands for 10 minutes, those missing are reported as failed, by name."
        ),
        deadline_s=SETTINGS.landing_deadline_s,
        # Airflow sometimes fails a task that it resumes (docs/reference/airflow.md); the task itself does the waiting.
        retry_delay=SETTINGS.listener_retry_delay,
        retry_policy=_retry_policy(SETTINGS.listener_retry_delay),
        pool=settings.POOL_MONITORING,
    )
    trigger_nifi_ingestion(prepare_nifi_request()) >> monitor >> publish_manifest()
