"""Brings chunks of one upload from the uploader into the bucket through NiFi, and verifies that they have landed.

`csv-ingestion-listener` starts a run for the chunks of an upload that arrived in one batch. The run's conf holds their
messages, and its note names the chunks. A run has four tasks, however many chunks it has: **prepare** finds the chunks
that are missing in the bucket, **trigger** relays their messages to NiFi, **monitor** waits until each object has the
announced size and SHA-256, and **publish** writes the upload's manifest after its last chunk has landed. Every task can
be repeated: chunks that are in the bucket are not sent again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, get_current_context, task

from contracts.names import DAG_CHUNK_INGESTION
from dags.modules import settings
from dags.modules.alerts import alert_and_pause_listener
from dags.modules.landing_operator import LandingOperator
from dags.modules.retries import ErrorKindRetryPolicy

SETTINGS = settings.load_settings()


def _retry_policy(other_delay: timedelta) -> ErrorKindRetryPolicy:
    return ErrorKindRetryPolicy(
        retries=SETTINGS.all_retries,
        first_delay=SETTINGS.transient_retry_delay,
        max_delay=settings.MAX_RETRY_DELAY,
        other_retries=SETTINGS.retries,
        other_delay=other_delay,
    )


with DAG(
    dag_id=DAG_CHUNK_INGESTION,
    description="Relay chunks of an upload to NiFi, monitor their landing, publish the manifest",
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
        # Used if there is no exception, for example because the process of the task was killed.
        "retry_delay": SETTINGS.transient_retry_delay,
        "retry_policy": _retry_policy(SETTINGS.retry_delay),
        "on_failure_callback": alert_and_pause_listener,
    },
):

    @task(execution_timeout=timedelta(minutes=15))
    def prepare_nifi_request() -> list[int]:
        """Returns the ids of the chunks that the bucket does not hold with the announced size and SHA-256.

        Ignores messages that contradict the uploader's manifest. Skips the run if its upload was deleted.
        """
        from dags.modules.chunk_run import find_missing, keep_verified, load_run, open_uploader, skip_if_deleted
        from dags.modules.object_store import open_store
        from dags.modules.task_spans import task_span

        run = load_run(get_current_context())
        with skip_if_deleted(run.upload_id), task_span("prepare_nifi_request", run.upload_id, run.traceparent) as span:
            missing = find_missing(keep_verified(run, open_uploader(run)), open_store())
            span.set_attributes({"csvpipe.chunks.missing": len(missing)})
            return missing

    @task(execution_timeout=timedelta(minutes=30))
    def trigger_nifi_ingestion(chunk_ids: list[int]) -> None:
        """Posts the messages of the missing chunks to NiFi's ListenHTTP, and reports each chunk as `relayed`.

        First checks with NiFi's REST API that the process group is running and has no stopped or invalid component. A
        retry omits chunks that an earlier attempt has relayed.
        """
        from dags.modules.chunk_run import find_unsent, keep_verified, load_run, open_uploader, relay, skip_if_deleted
        from dags.modules.nifi_api_client import open_nifi
        from dags.modules.object_store import open_store
        from dags.modules.task_spans import task_span

        context = get_current_context()
        run = load_run(context)
        uploader = open_uploader(run)
        with (
            skip_if_deleted(run.upload_id),
            task_span("trigger_nifi_ingestion", run.upload_id, run.traceparent) as span,
        ):
            run = keep_verified(run, uploader)
            started_at = context["dag_run"].start_date
            if context["ti"].try_number > 1 and started_at is not None:
                chunk_ids = find_unsent(run, open_store(), uploader, since=started_at)
            span.set_attributes({"csvpipe.chunks.to_send": len(chunk_ids)})
            relay(run, chunk_ids, nifi=open_nifi(), uploader=uploader, traceparent=span.traceparent)

    @task(execution_timeout=timedelta(minutes=15))
    def publish_manifest() -> str | None:
        """Writes the upload's manifest object if all of its chunks have landed.

        While chunks of other runs are pending, the last of these runs publishes the manifest.
        """
        from dags.modules.chunk_run import load_run, open_uploader, publish_if_landed, skip_if_deleted
        from dags.modules.object_store import open_store
        from dags.modules.task_spans import task_span

        run = load_run(get_current_context())
        with skip_if_deleted(run.upload_id), task_span("publish_manifest", run.upload_id, run.traceparent) as span:
            key = publish_if_landed(open_uploader(run), open_store())
            span.set_attributes({"csvpipe.manifest.published": key is not None})
            return key

    monitor = LandingOperator(
        task_id="monitor_nifi_status",
        doc_md=(
            "Waits, deferred, until the bucket holds every chunk with the announced size and SHA-256, and reports each "
            "chunk to the uploader. If none lands for 10 minutes, reports the missing chunks as failed and names them."
        ),
        deadline_s=SETTINGS.landing_deadline_s,
        # Airflow sometimes fails a task that it resumes (docs/reference/airflow.md); the task itself does the waiting.
        retry_delay=SETTINGS.listener_retry_delay,
        retry_policy=_retry_policy(SETTINGS.listener_retry_delay),
        pool=settings.POOL_MONITORING,
    )
    trigger_nifi_ingestion(prepare_nifi_request()) >> monitor >> publish_manifest()
