"""Every metric used by rules and dashboards exists after a file has passed through the running stack."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from contracts.names import BYTES_PER_MB
from stack.local import LocalStack
from tests.support.monitoring.metrics import Samples, fetch_metrics, metric_names, parse_metrics, series_labels
from tests.support.monitoring.rules import expressions, faults_of, metrics_of
from tests.support.monitoring.scraping import addresses
from tests.support.pipeline.csv_data import write_csv
from tests.support.pipeline.pipeline import Pipeline
from tests.support.waiting import wait_until

NOT_HERE = {"up": "made by Prometheus itself"}
"""Metrics that the stack does not expose, each with the reason."""
AFTER_A_FAILURE = {"airflow_task_failures_total"}
"""Airflow sends it when a task fails, and now and then for a sensor that resumes so fast that its scheduler takes it
for lost and retries it. tests/integration/test_exporters.py sends it."""
SEQUENCER = "csvpipe_sequencer_"
"""Jobs of the sequencer are not part of the stack: tests/integration/test_exporters.py scrapes one."""


@pytest.fixture(scope="module")
def landed(running_pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> LocalStack:
    """Yield the stack after an upload has landed, and after NiFi has rejected an invalid message, which is a bulletin.

    Airflow's exporter begins anew: it keeps what the tests before have caused.
    """
    file = write_csv(tmp_path_factory.mktemp("metrics") / "data.csv", size_bytes=3 * BYTES_PER_MB)
    running_pipeline.stack.restart("monitoring")
    running_pipeline.begin_test()
    running_pipeline.wait_until_landed(running_pipeline.upload(file, "metrics", "size", 1)["upload_id"])
    running_pipeline.ready_status()  # nothing else calls /ready on this stack, and a rule excludes its route
    settings = running_pipeline.stack.context.settings
    refused = f"http://{settings.host}:{settings.nifi_ingest_port}/csv-ingest"
    assert httpx.post(refused, json={"no": "message"}, timeout=60, trust_env=False).status_code == 200
    return running_pipeline.stack


def pages(stack: LocalStack) -> dict[str, str]:
    """Return the metrics page of each job of prometheus.yml, at its address in this stack."""
    return {job: fetch_metrics(url) for job, url in addresses(stack).items()}


def test_every_metric_that_is_used_exists(landed: LocalStack) -> None:
    asked = {(place, name) for place, expression in expressions() for name in metrics_of(expression)}

    def missing() -> list[tuple[str, str]]:
        there = set().union(*(metric_names(page) for page in pages(landed).values()), NOT_HERE, AFTER_A_FAILURE)
        return sorted((p, name) for p, name in asked if name not in there and not name.startswith(SEQUENCER))

    # Airflow sends some of its metrics once a minute.
    wait_until(lambda: not missing(), what="every metric is there", deadline_s=180, explain=lambda: repr(missing()))


def test_metrics_listed_as_absent_are_absent_and_used(landed: LocalStack) -> None:
    asked = {name for _, expression in expressions() for name in metrics_of(expression)}
    assert asked >= NOT_HERE.keys() | AFTER_A_FAILURE
    there = {name for page in pages(landed).values() for name in metric_names(page)}
    assert there & NOT_HERE.keys() == set()


def test_every_label_that_is_used_exists(landed: LocalStack) -> None:
    """The names of labels, and every value that a rule or panel names."""

    def faults() -> dict[str, list[str]]:
        series = {name: each for page in pages(landed).values() for name, each in series_labels(page).items()}
        return {place: found for place, expression in expressions() if (found := faults_of(expression, series))}

    wait_until(lambda: not faults(), what="every label is there", deadline_s=180, explain=lambda: repr(faults()))


def test_listener_is_a_member_of_its_group_while_it_waits(landed: LocalStack) -> None:
    group = "airflow-csv-ingestion"

    def is_told() -> bool:
        found = kafka(landed)
        has_lag = any(key[:2] == ("kafka_consumergroup_lag", group) for key in found)
        return found.get(("kafka_consumergroup_members", group), 0) >= 1 and has_lag

    wait_until(is_told, what="the listener waits in its group", deadline_s=120)


def kafka(stack: LocalStack) -> Samples:
    return parse_metrics(fetch_metrics(addresses(stack)["kafka"]))


def test_uploader_counts_what_has_landed(landed: LocalStack, tmp_path: Path) -> None:
    least = {("csvpipe_chunk_landing_duration_seconds_count",): 3, ("csvpipe_chunks", "landed"): 3}
    least["csvpipe_ready", "kafka"] = 1

    def missing() -> dict[tuple[str, ...], float | None]:
        found = parse_metrics(fetch_metrics(addresses(landed)["uploader"]))
        return {key: found.get(key) for key, value in least.items() if found.get(key, 0) < value}

    # A value that is not there in time is left out of one page.
    wait_until(lambda: not missing(), what="all is counted", deadline_s=60, explain=lambda: repr(missing()))
