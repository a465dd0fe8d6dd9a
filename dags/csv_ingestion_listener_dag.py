"""Waits for chunk messages on the topic `csv-ingestion` and starts a run of `csv-chunk-ingestion` for each upload.

It runs for ever, one run after the other: a **wake-up** that does not consume, a **drain** of all that waits, the
**start** of the runs, and only then the **commit** of the offsets. A crash anywhere delivers the batch again; the run
ids are made of the offsets, so the same batch starts the same runs. Messages that are not valid go to
`csv-ingestion-dlq`, with the reason in their headers.

While it is paused nothing is lost: messages wait in Kafka.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, get_current_context, task

from contracts.names import DAG_CHUNK_INGESTION, DAG_LISTENER, TOPIC_DEAD_LETTER, TOPIC_INGEST
from dags.modules import settings
from dags.modules.alerts import alert_failure
from dags.modules.wakeup_sensor import WakeUpSensor

SETTINGS = settings.load_settings()

with DAG(
    dag_id=DAG_LISTENER,
    description="Kafka to chunk runs: wake up, drain, start, commit",
    doc_md=__doc__,
    schedule="@continuous",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags=["csv-ingestion", "kafka"],
    default_args={
        "owner": "csv-ingestion",
        "retries": SETTINGS.listener_retries,
        "retry_delay": SETTINGS.listener_retry_delay,
        "on_failure_callback": alert_failure,
        # The one listener goes before the tasks of many chunk runs, whose work it brings.
        "priority_weight": 100,
        "weight_rule": "absolute",
    },
):
    listen = WakeUpSensor(
        task_id="listen_kafka_csv_topic",
        doc_md="Waits, deferred, until a message lies behind the committed offsets. It looks at none and commits none.",
        topics=[TOPIC_INGEST],
        kafka_config_id=settings.CONN_KAFKA,
        apply_function="dags.modules.kafka_listener.any_message",
        commit_offset=False,
        poll_timeout=1.0,
        poll_interval=0.1,
        timeout=timedelta(days=1),
    )

    # Not multiple_outputs, which Airflow concludes from the return type: `runs` and `offsets` are pushed on their own.
    @task(multiple_outputs=False, execution_timeout=timedelta(minutes=10))
    def extract_message_data() -> dict[str, int]:
        """Reads what waits (up to 500 messages or 4 MB), sorts it by upload, and dead-letters what is not valid."""
        from dags.modules.listener_run import extract_batch

        return extract_batch(get_current_context()["ti"], topic=TOPIC_INGEST, dead_letter_topic=TOPIC_DEAD_LETTER)

    @task(execution_timeout=timedelta(minutes=10))
    def start_chunk_runs(runs: list[dict[str, Any]]) -> list[str]:
        """Starts a run of `csv-chunk-ingestion` for each upload and partition of the batch, unless it is there."""
        from dags.modules.run_starter import start_runs

        start_runs(DAG_CHUNK_INGESTION, runs)
        return [run["run_id"] for run in runs]

    @task(execution_timeout=timedelta(minutes=5))
    def commit_offsets(offsets: dict[str, int]) -> None:
        """Commits the batch's offsets, last of all: now its messages are runs or dead letters, and never come again."""
        from dags.modules import kafka_listener

        config = kafka_listener.load_kafka_config()
        kafka_listener.commit_offsets(
            config, TOPIC_INGEST, {int(partition): offset for partition, offset in offsets.items()}
        )

    batch = extract_message_data()
    started = start_chunk_runs(batch["runs"])
    listen >> batch
    started >> commit_offsets(batch["offsets"])
