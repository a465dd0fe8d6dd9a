"""The full stack, started once for all end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stack.report import ConsoleReport
from tests.support.monitoring.otlp import TIMEOUT, TIMEOUT_S, OtlpReceiver, otlp_receiver
from tests.support.pipeline.pipeline import Pipeline
from tests.support.services import running_stack

_AIRFLOW = {
    # The other retries are those of production: an unavailable service must not cost minutes.
    "CSV_INGESTION_LISTENER_RETRIES": "40",
    "CSV_INGESTION_LISTENER_RETRY_DELAY_S": "3",
}


@pytest.fixture(scope="session")
def spans() -> Iterator[OtlpReceiver]:
    """Yield the receiver of the stack's spans; it outlives the stack."""
    with otlp_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def running_pipeline(tmp_path_factory: pytest.TempPathFactory, spans: OtlpReceiver) -> Iterator[Pipeline]:
    """Yield Kafka, MinIO, NiFi, Airflow and the uploader, each the real service in its own process, with tracing."""
    root = tmp_path_factory.mktemp("stack")
    tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": spans.endpoint, TIMEOUT: TIMEOUT_S}
    with running_stack(
        root, None, report=ConsoleReport(), airflow_environment=_AIRFLOW | tracing, uploader_environment=tracing
    ) as stack:
        yield Pipeline(stack)


@pytest.fixture
def pipeline(running_pipeline: Pipeline) -> Pipeline:
    """Yield the pipeline with all processes running, whatever the previous test has stopped or killed."""
    running_pipeline.begin_test()
    return running_pipeline
