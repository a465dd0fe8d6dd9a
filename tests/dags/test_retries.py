"""The retry policy of the chunk tasks."""

from __future__ import annotations

import inspect
from datetime import timedelta

import botocore.exceptions
import httpx
import pytest
import requests
from airflow.sdk.definitions.retry_policy import RetryAction, RetryDecision
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse

from dags.modules import errors
from dags.modules.errors import DagError, NiFiUnreachableError, StateRefusedError, StoreError
from dags.modules.retries import ErrorKindRetryPolicy, is_transient

POLICY = ErrorKindRetryPolicy(
    retries=20,
    first_delay=timedelta(seconds=5),
    max_delay=timedelta(seconds=60),
    other_retries=3,
    other_delay=timedelta(seconds=300),
)
TRANSIENT = {
    "KafkaReadError",
    "KafkaCommitError",
    "DeadLetterError",
    "NiFiError",
    "NiFiUnreachableError",
    "NiFiNotReadyError",
    "UploaderError",
    "StoreError",
    "RunNotStartedError",
}


def delay_s(decision: RetryDecision) -> float | None:
    return decision.retry_delay.total_seconds() if decision.retry_delay is not None else None


def test_transient_errors_are_marked() -> None:
    found = [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, DagError)]
    assert {error.__name__ for error in found if error.transient} == TRANSIENT
    assert len(found) > len(TRANSIENT) * 1.5


@pytest.mark.parametrize(
    "error",
    [
        StoreError("away"),
        ConnectionResetError(),
        TimeoutError(),
        requests.ConnectionError(),
        requests.ReadTimeout(),
        httpx.ConnectError("away"),
        httpx.ReadTimeout("slow"),
        botocore.exceptions.EndpointConnectionError(endpoint_url="http://minio"),
        botocore.exceptions.ReadTimeoutError(endpoint_url="http://minio"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_unavailable_service_is_transient(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        StateRefusedError("no", problem="p"),
        ValueError(),
        KeyError("x"),
        FileNotFoundError(),
        RuntimeError("StoreError"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_permanent_errors_are_not_transient(error: Exception) -> None:
    assert not is_transient(error)


@pytest.mark.parametrize("kind", list(ErrorType))
def test_failure_of_airflows_api_is_transient_and_refusals_are_not(kind: ErrorType) -> None:
    error = AirflowRuntimeError(ErrorResponse(error=kind, detail={}))
    assert is_transient(error) is (kind is ErrorType.API_SERVER_ERROR)


def test_retries_span_15_minutes_with_delays_up_to_a_minute() -> None:
    delays = [delay_s(POLICY.evaluate(StoreError("away"), number, 20)) for number in range(1, 21)]
    assert delays[:6] == [5, 10, 20, 40, 60, 60]
    assert max(delay or 0 for delay in delays) == 60
    assert sum(delay or 0 for delay in delays) > 15 * 60


def test_cleared_task_starts_with_the_first_delay() -> None:
    """Airflow continues to count attempts, and adds the task's retries to the previous maximum."""
    assert delay_s(POLICY.evaluate(NiFiUnreachableError("away"), 22, 21 + 20)) == 5
    assert delay_s(POLICY.evaluate(ValueError(), 22, 21 + 20)) == 300


def test_permanent_error_fails_after_few_retries() -> None:
    actions = [POLICY.evaluate(ValueError(), number, 20).action for number in range(1, 6)]
    assert actions == [RetryAction.RETRY] * 3 + [RetryAction.FAIL] * 2
