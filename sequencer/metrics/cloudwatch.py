"""Sends a job's metrics to CloudWatch from a thread of its own, which never delays the job."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from aws.client import ClientOptions, open_client
from aws.endpoint_settings import EndpointSettings
from aws.errors import final_error
from sequencer.metrics.job_metrics import JOB_DIMENSION, METRICS, RateSample, measure, take_sample
from sequencer.model.progress import Progress
from sequencer.settings import JobSettings

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient

_log = logging.getLogger(__name__)
INTERVAL_S = 10.0
_SETTINGS = EndpointSettings(address="CLOUDWATCH_ENDPOINT")
_CLOSE_S = 5.0


def cloudwatch_client(settings: JobSettings) -> CloudWatchClient | None:
    """Return a client with short timeouts, or None if none can be created."""
    options = ClientOptions.with_short_timeouts(region=settings.aws_region, endpoint=settings.cloudwatch_endpoint)
    try:
        return open_client("cloudwatch", options)
    except BotoCoreError as error:
        _log.warning("Cannot create a CloudWatch client; no metrics are sent", extra={"error": _describe(error)})
        return None


class CloudWatchEmitter:
    """Sends all metrics of a job in one request every few seconds, as long as the context lasts.

    A failed request is dropped and counted in :attr:`dropped`; the log has one line per outage.

    Args:
        client: the CloudWatch client.
        namespace: namespace of the metrics.
        job_id: value of the only dimension, which dashboard and alarms select by.
        whole_job_id: the job that a range belongs to. The metrics are sent under its name as well, so that its alarms
            see the worst of all ranges.
        progress: counters of the job.
        cost_per_hour: cost of the machine in USD per hour.
        interval_s: seconds between two requests.
    """

    def __init__(
        self,
        client: CloudWatchClient,
        *,
        namespace: str,
        job_id: str,
        whole_job_id: str = "",
        progress: Progress,
        cost_per_hour: float = 0.0,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._job_ids = tuple(dict.fromkeys((job_id, whole_job_id or job_id)))
        self._progress = progress
        self._cost_per_hour = cost_per_hour
        self._interval_s = interval_s
        self._before: RateSample | None = None
        self._away = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cloudwatch", daemon=True)
        self.dropped = 0
        """Number of failed requests."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send the last state; if CloudWatch does not answer, the end of the job is delayed by seconds only."""
        self._closed.set()
        self._thread.join(self._interval_s + _CLOSE_S)

    def _run(self) -> None:
        while not self._closed.wait(self._interval_s):
            self._send()
        self._send()

    def _send(self) -> None:
        now = time.time()
        values = measure(self._progress, now=now, before=self._before, cost_per_hour=self._cost_per_hour)
        sample = take_sample(self._progress, now=now)
        data: list[Any] = [
            {
                "MetricName": metric.value,
                "Dimensions": [{"Name": JOB_DIMENSION, "Value": job_id}],
                "Timestamp": datetime.fromtimestamp(now, UTC),
                "Value": value,
                "Unit": METRICS[metric].unit,
            }
            for job_id in self._job_ids
            for metric, value in values.items()
        ]
        try:
            self._client.put_metric_data(Namespace=self._namespace, MetricData=data)
        except (BotoCoreError, ClientError) as error:
            self.dropped += 1
            if not self._away:
                _log.warning("Cannot send metrics to CloudWatch", extra={"error": _describe(error)})
            self._away = True
        else:
            self._before = sample  # what a failed request held is part of the next one
            if self._away:
                _log.info("Metrics are sent to CloudWatch again", extra={"dropped": self.dropped})
            self._away = False


def _describe(error: BotoCoreError | ClientError) -> str:
    """Return the error's text; that of a wrong certificate or setting says what to do."""
    final = None if isinstance(error, ClientError) else final_error(error, "CloudWatch", _SETTINGS)
    return str(error if final is None else final.detail)
