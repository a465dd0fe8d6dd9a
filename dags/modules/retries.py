"""When a failed task is tried again: within seconds while a service is away, rarely when that would not help."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType

from dags.modules.errors import DagError

if TYPE_CHECKING:
    from airflow.sdk import Context


class ByKindOfError(RetryPolicy):
    """Retries a transient error with back-off up to ``retries`` times, any other ``few_retries`` times.

    Airflow counts the tries of a task and not their reasons: after more than ``few_retries`` transient errors another
    one fails the task at once. ``retries`` must be the task's own.
    """

    def __init__(
        self, *, retries: int, first_delay: timedelta, longest_delay: timedelta, few_retries: int, long_delay: timedelta
    ) -> None:
        self.retries = retries
        self.first_delay = first_delay
        self.longest_delay = longest_delay
        self.few_retries = few_retries
        self.long_delay = long_delay

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,  # noqa: ARG002 - Airflow's call
    ) -> RetryDecision:
        """Return whether and when the task is tried again.

        ``max_tries`` grows by the tries so far when a task is cleared, so the failures since then are counted.
        """
        failures = max(try_number - max(max_tries - self.retries, 0), 1)
        kind = type(exception).__name__
        if is_transient(exception):
            delay = min(self.first_delay * 2 ** min(failures - 1, 30), self.longest_delay)
            return RetryDecision.retry(delay, f"{kind} is transient, failure {failures}")
        if failures > self.few_retries:
            return RetryDecision.fail(f"{kind} is not transient, failure {failures}")
        return RetryDecision.retry(self.long_delay, f"{kind} is not transient, failure {failures}")


def is_transient(exception: BaseException) -> bool:
    """Return whether the same may succeed in some seconds: a service is away, restarts, or asks to wait."""
    if isinstance(exception, DagError):
        return exception.transient
    if isinstance(exception, AirflowRuntimeError):
        return exception.error.error is ErrorType.API_SERVER_ERROR
    # ConnectionError and TimeoutError are also bases of what requests, urllib3 and the brokers' clients raise.
    return isinstance(exception, ConnectionError | TimeoutError) or any(
        f"{base.__module__}.{base.__qualname__}" in _TRANSIENT_OF_LIBRARIES for base in type(exception).__mro__
    )


_TRANSIENT_OF_LIBRARIES = frozenset(
    {
        "requests.exceptions.ConnectionError",
        "requests.exceptions.Timeout",
        "httpx.TransportError",
        "httpcore.NetworkError",
        "botocore.exceptions.ConnectionError",
        "botocore.exceptions.HTTPClientError",
    }
)
"""By name, as a DAG file must not import these libraries."""
