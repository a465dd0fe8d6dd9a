"""Waits for chunk messages on the topic `csv-ingestion`, and starts a run of `csv-chunk-ingestion` for each upload.

Runs continuously, one run after another. Each run **waits** for a message without consuming it, **drains** the topic,
**starts** the chunk runs, and then **commits** the offsets. After a crash at any point the batch is delivered again.
Run ids are derived from the offsets, so the same batch starts the same runs. Invalid messages go to
`csv-ingestion-dlq`, with the reason in their headers.

No messages are lost while the DAG is paused: they wait in Kafka.
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
    description="Start chunk runs for messages in Kafka: wait, drain, start, commit",
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
        # The listener has priority over the tasks of the chunk runs that it starts.
        "priority_weight": 100,
        "weight_rule": "absolute",
    },
):
    listen = WakeUpSensor(
        task_id="listen_kafka_csv_topic",
        doc_md="Waits, deferred, for a message after the committed offsets. Reads no values and commits nothing.",
        topics=[TOPIC_INGEST],
        kafka_config_id=settings.CONN_KAFKA,
        apply_function="dags.modules.kafka_listener.any_message",
        commit_offset=False,
        poll_timeout=1.0,
        poll_interval=0.1,
        timeout=timedelta(days=1),
    )

    # Airflow infers multiple_outputs from the return type, but the task pushes `runs` and `offsets` itself.
    @task(multiple_outputs=False, execution_timeout=timedelta(minutes=10))
    def extract_message_data() -> dict[str, int]:
        """Reads up to 500 messages or 4 MiB, groups them by upload, and dead-letters invalid ones."""
        from dags.modules.listener_run import extract_batch

        return extract_batch(get_current_context()["ti"], topic=TOPIC_INGEST, dead_letter_topic=TOPIC_DEAD_LETTER)

    @task(execution_timeout=timedelta(minutes=10))
    def start_chunk_runs(runs: list[dict[str, Any]]) -> list[str]:
        """Starts a run of `csv-chunk-ingestion` for each upload and partition of the batch, unless it exists."""
        from dags.modules.run_starter import start_runs

        start_runs(DAG_CHUNK_INGESTION, runs)
        return [run["run_id"] for run in runs]

    @task(execution_timeout=timedelta(minutes=5))
    def commit_offsets(offsets: dict[str, int]) -> None:
        """Commits the offsets after all messages of the batch have become runs or dead letters."""
        from dags.modules import kafka_listener

        config = kafka_listener.load_kafka_config()
        kafka_listener.commit_offsets(
            config, TOPIC_INGEST, {int(partition): offset for partition, offset in offsets.items()}
        )

    batch = extract_message_data()
    started = start_chunk_runs(batch["runs"])
    listen >> batch
    started >> commit_offsets(batch["offsets"])
