"""The metrics of a running job: their names, units and meanings, and how they are measured."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from sequencer.model.progress import Progress

Unit = Literal["Count", "Count/Second", "Bytes", "Bytes/Second", "Percent", "Seconds", "Milliseconds", "None"]


class Metric(StrEnum):
    """Names of the metrics in CloudWatch."""

    RECORDS_PER_SECOND = "RecordsPerSecond"
    BYTES_PER_SECOND = "BytesPerSecond"
    RECORDS_SENT = "RecordsSent"
    PERCENT_READ = "PercentRead"
    ETA_SECONDS = "EtaSeconds"
    LAG_BYTES = "LagBytes"
    CHECKPOINT_AGE_SECONDS = "CheckpointAgeSeconds"
    RETRIES = "Retries"
    ERRORS = "Errors"
    DEAD_LETTERS = "DeadLetters"
    COST_USD = "CostUsd"
    QUEUED_RECORDS = "QueuedRecords"
    ROUND_TRIP_MS = "RoundTripMs"


JOB_DIMENSION = "JobId"
"""Dimension that identifies the job."""


@dataclass(frozen=True)
class MetricSpec:
    """Unit and meaning of a metric."""

    unit: Unit
    meaning: str


METRICS: dict[Metric, MetricSpec] = {
    Metric.RECORDS_PER_SECOND: MetricSpec("Count/Second", "Records acknowledged per second since the last sample"),
    Metric.BYTES_PER_SECOND: MetricSpec("Bytes/Second", "Bytes of these records, as JSON, per second"),
    Metric.RECORDS_SENT: MetricSpec("Count", "Records acknowledged by this process"),
    Metric.PERCENT_READ: MetricSpec("Percent", "Share of the source, as stored, that was read"),
    Metric.ETA_SECONDS: MetricSpec("Seconds", "Time to the end of the source at the average rate since the start"),
    Metric.LAG_BYTES: MetricSpec("Bytes", "Unread part of the source, as stored"),
    Metric.CHECKPOINT_AGE_SECONDS: MetricSpec(
        "Seconds", "Time since the last checkpoint was saved, or since the start"
    ),
    Metric.RETRIES: MetricSpec("Count", "Errors that the Kafka client has recovered from since the last sample"),
    Metric.ERRORS: MetricSpec("Count", "Failed attempts of the job since the last sample"),
    Metric.DEAD_LETTERS: MetricSpec("Count", "Rows sent to the dead-letter topic since the last sample"),
    Metric.COST_USD: MetricSpec("None", "Cost of the machine so far, from COST_PER_HOUR"),
    Metric.QUEUED_RECORDS: MetricSpec("Count", "Records in the queue of the Kafka client"),
    Metric.ROUND_TRIP_MS: MetricSpec("Milliseconds", "Average round-trip time to the slowest broker"),
}


@dataclass(frozen=True)
class RateSample:
    """The counters at one time, from which the rates until the next sample follow."""

    at: float
    records: int
    size_bytes: int
    retries: int = 0
    errors: int = 0
    dead_lettered: int = 0


def take_sample(progress: Progress, *, now: float) -> RateSample:
    """Return the current counters."""
    return RateSample(
        now,
        progress.records_sent,
        progress.bytes_sent,
        progress.retries,
        progress.errors,
        _dead_lettered_by_us(progress),
    )


def measure(
    progress: Progress, *, now: float, before: RateSample | None, cost_per_hour: float = 0.0
) -> dict[Metric, float]:
    """Return every metric that has a value.

    Args:
        progress: counters of the job.
        now: current time (Unix time).
        before: the last sample, since which rates, retries, errors and dead letters are counted; None for the start.
        cost_per_hour: cost of the machine in USD per hour.
    """
    since = before or RateSample(progress.started_at, 0, 0)
    seconds = max(now - since.at, 1e-3)
    running_s = max(now - progress.started_at, 1e-3)
    values: dict[Metric, float] = {
        Metric.RECORDS_PER_SECOND: (progress.records_sent - since.records) / seconds,
        Metric.BYTES_PER_SECOND: (progress.bytes_sent - since.size_bytes) / seconds,
        Metric.RECORDS_SENT: progress.records_sent,
        Metric.RETRIES: max(0, progress.retries - since.retries),  # each attempt starts at 0
        Metric.ERRORS: progress.errors - since.errors,
        Metric.DEAD_LETTERS: _dead_lettered_by_us(progress) - since.dead_lettered,
        Metric.COST_USD: cost_per_hour * running_s / 3600,
    }
    if saved_at := progress.checkpoint_at or progress.started_at:
        values[Metric.CHECKPOINT_AGE_SECONDS] = max(0.0, now - saved_at)
    return values | _of_source(progress, running_s) | _of_client(progress)


def _dead_lettered_by_us(progress: Progress) -> int:
    """Return the number of rows that this process has sent to the dead-letter topic."""
    return max(0, progress.dead_lettered - progress.dead_lettered_before)


def _of_source(progress: Progress, running_s: float) -> dict[Metric, float]:
    if not progress.total_bytes:
        return {}
    left = max(0, progress.total_bytes - progress.bytes_read)
    values: dict[Metric, float] = {
        Metric.PERCENT_READ: 100 * progress.bytes_read / progress.total_bytes,
        Metric.LAG_BYTES: left,
    }
    if (read_by_us := progress.bytes_read - progress.bytes_read_before) > 0:
        values[Metric.ETA_SECONDS] = left * running_s / read_by_us
    return values


def _of_client(progress: Progress) -> dict[Metric, float]:
    """Return the metrics from librdkafka's statistics (its STATISTICS.md)."""
    statistics = progress.statistics
    if not statistics:
        return {}
    round_trips_us = [broker["rtt"]["avg"] for broker in statistics.get("brokers", {}).values() if "rtt" in broker]
    return {
        Metric.QUEUED_RECORDS: statistics.get("msg_cnt", 0),
        Metric.ROUND_TRIP_MS: max(round_trips_us, default=0) / 1000,
    }
