"""The full stack, started once for all end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stack.report import ConsoleReport
from tests.support.monitoring.otlp import OtlpReceiver, otlp_receiver
from tests.support.pipeline.pipeline import Pipeline
from tests.support.services import running_stack

_AIRFLOW = {
    # The other retries are those of operation: a service that is away must not cost minutes.
    "CSV_INGESTION_LISTENER_RETRIES": "40",
    "CSV_INGESTION_LISTENER_RETRY_DELAY_S": "3",
}


@pytest.fixture(scope="session")
def spans() -> Iterator[OtlpReceiver]:
    """Give what the stack's spans are sent to; it outlives the stack."""
    with otlp_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def running_pipeline(tmp_path_factory: pytest.TempPathFactory, spans: OtlpReceiver) -> Iterator[Pipeline]:
    """Give Kafka, MinIO, NiFi, Airflow and the uploader, each real and each a process of its own, with tracing on."""
    root = tmp_path_factory.mktemp("stack")
    tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": spans.endpoint}
    with running_stack(
        root, None, report=ConsoleReport(), airflow_environment=_AIRFLOW | tracing, uploader_environment=tracing
    ) as stack:
        yield Pipeline(stack)


@pytest.fixture
def pipeline(running_pipeline: Pipeline) -> Pipeline:
    """Give the pipeline with all its processes running, whatever the test before has left dead or stopped."""
    running_pipeline.begin_test()
    return running_pipeline
