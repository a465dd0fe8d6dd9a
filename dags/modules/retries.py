"""Retry policy of the chunk tasks: many quick retries for transient errors, few slow ones for others."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType

from contracts.backoff import Backoff
from dags.modules.errors import DagError

if TYPE_CHECKING:
    from airflow.sdk import Context


class ErrorKindRetryPolicy(RetryPolicy):
    """Retries transient errors with backoff up to ``retries`` times, and other errors up to ``other_retries`` times.

    Airflow counts the attempts of a task, not their reasons: after more than ``other_retries`` transient errors, any
    other error fails the task immediately. ``retries`` must equal the task's own setting.
    """

    def __init__(
        self, *, retries: int, first_delay: timedelta, max_delay: timedelta, other_retries: int, other_delay: timedelta
    ) -> None:
        self.retries = retries
        self.first_delay = first_delay
        self.max_delay = max_delay
        self.other_retries = other_retries
        self.other_delay = other_delay

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,  # noqa: ARG002 - Airflow's call
    ) -> RetryDecision:
        """Return whether and when to retry the task.

        Clearing a task raises ``max_tries`` by the attempts so far, so only the failures since then are counted.
        """
        failures = max(try_number - max(max_tries - self.retries, 0), 1)
        kind = type(exception).__name__
        if is_transient(exception):
            backoff = Backoff(first_s=self.first_delay.total_seconds(), longest_s=self.max_delay.total_seconds())
            delay = timedelta(seconds=backoff.wait_s(failures))
            return RetryDecision.retry(delay, f"{kind} is transient, failure {failures}")
        if failures > self.other_retries:
            return RetryDecision.fail(f"{kind} is not transient, failure {failures}")
        return RetryDecision.retry(self.other_delay, f"{kind} is not transient, failure {failures}")


def is_transient(exception: BaseException) -> bool:
    """Return whether a retry may succeed within seconds: a service is unavailable, restarting, or asks to wait."""
    if isinstance(exception, DagError):
        return exception.transient
    if isinstance(exception, AirflowRuntimeError):
        return exception.error.error is ErrorType.API_SERVER_ERROR
    # ConnectionError and TimeoutError are also base classes of errors of requests, urllib3 and the Kafka clients.
    return isinstance(exception, ConnectionError | TimeoutError) or any(
        f"{base.__module__}.{base.__qualname__}" in _TRANSIENT_LIBRARY_ERRORS for base in type(exception).__mro__
    )


_TRANSIENT_LIBRARY_ERRORS = frozenset(
    {
        "requests.exceptions.ConnectionError",
        "requests.exceptions.Timeout",
        "httpx.TransportError",
        "httpcore.NetworkError",
        "botocore.exceptions.ConnectionError",
        "botocore.exceptions.HTTPClientError",
    }
)
"""Class names, as DAG files must not import these libraries."""
