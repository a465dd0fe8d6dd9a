"""The figures of a job, and how they reach CloudWatch (as moto fakes it)."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from sequencer.metrics.cloudwatch import CloudWatchEmitter
from sequencer.metrics.dashboard import WIDGETS, dashboard_body
from sequencer.metrics.job_metrics import METRICS, Metric, RateSample, measure, take_sample
from sequencer.model.progress import Progress
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient

HALFWAY = Progress(
    total_bytes=1000,
    bytes_read=350,
    bytes_read_before=100,
    records_sent=500,
    bytes_sent=50_000,
    dead_lettered=3,
    retries=2,
    errors=1,
    checkpoint_at=95.0,
    started_at=50.0,
    statistics={"msg_cnt": 7, "brokers": {"a": {"rtt": {"avg": 1500}}, "b": {"rtt": {"avg": 2500}}}},
)


def test_figures_are_those_of_the_counters() -> None:
    values = measure(HALFWAY, now=100.0, before=RateSample(90.0, 400, 40_000), cost_per_hour=3.6)
    assert values == {
        Metric.RECORDS_PER_SECOND: 10,
        Metric.BYTES_PER_SECOND: 1000,
        Metric.RECORDS_SENT: 500,
        Metric.PERCENT_READ: 35,
        Metric.ETA_SECONDS: 130,
        Metric.LAG_BYTES: 650,
        Metric.CHECKPOINT_AGE_SECONDS: 5,
        Metric.RETRIES: 2,
        Metric.ERRORS: 1,
        Metric.DEAD_LETTERS: 3,
        Metric.COST_USD: pytest.approx(0.05),
        Metric.QUEUED_RECORDS: 7,
        Metric.ROUND_TRIP_MS: 2.5,
    }
    assert set(values) == set(METRICS) == set(Metric)


def test_first_look_has_its_rates_since_the_start() -> None:
    assert measure(HALFWAY, now=100.0, before=None)[Metric.RECORDS_PER_SECOND] == 10


def test_unknown_values_are_omitted() -> None:
    values = measure(Progress(started_at=50.0), now=50.0, before=None)
    unknown = {Metric.PERCENT_READ, Metric.ETA_SECONDS, Metric.LAG_BYTES}
    assert not unknown & set(values)


def test_job_that_hangs_before_its_first_acknowledgement_has_an_age() -> None:
    assert measure(Progress(started_at=50.0), now=450.0, before=None)[Metric.CHECKPOINT_AGE_SECONDS] == 400


def test_failures_before_the_last_sample_are_not_counted_again() -> None:
    before = take_sample(HALFWAY, now=100.0)
    more = replace(HALFWAY, errors=HALFWAY.errors + 2, dead_lettered=HALFWAY.dead_lettered + 1)
    counted = (Metric.ERRORS, Metric.RETRIES, Metric.DEAD_LETTERS)
    assert [measure(HALFWAY, now=110.0, before=before)[each] for each in counted] == [0, 0, 0]
    assert [measure(more, now=110.0, before=before)[each] for each in counted] == [2, 0, 1]


def test_dead_letters_of_earlier_processes_are_not_counted_by_the_next_one() -> None:
    progress = Progress(started_at=50.0)
    before = take_sample(progress, now=60.0)
    progress.dead_lettered_before = 7
    progress.dead_lettered = 8
    assert measure(progress, now=70.0, before=before)[Metric.DEAD_LETTERS] == 1


def test_failed_request_is_part_of_the_next_values(moto_cloudwatch: CloudWatchClient) -> None:
    progress = Progress(started_at=50.0)
    sent: list[float] = []
    send = moto_cloudwatch.put_metric_data

    def fail_while_two_attempts_fail(**given: Any) -> Any:
        if len(sent) == 1 and progress.errors == 0:
            progress.errors = 2
        (errors,) = (each["Value"] for each in given["MetricData"] if each["MetricName"] == "Errors")
        sent.append(errors)
        if len(sent) == 3:
            raise EndpointConnectionError(endpoint_url="http://x")
        return send(**given)

    with (
        patch.object(moto_cloudwatch, "put_metric_data", fail_while_two_attempts_fail),
        CloudWatchEmitter(moto_cloudwatch, namespace="csvpipe", job_id="job", progress=progress, interval_s=0.01),
    ):
        wait_until(lambda: len(sent) > 4, what="more is sent", deadline_s=20)
    assert sent[:5] == [0, 0, 2, 2, 0]


def test_metrics_of_a_range_reach_the_alarms_of_the_whole_job(moto_cloudwatch: CloudWatchClient) -> None:
    with CloudWatchEmitter(
        moto_cloudwatch, namespace="csvpipe", job_id="job.p1", whole_job_id="job", progress=HALFWAY, interval_s=3600
    ):
        pass
    listed = moto_cloudwatch.list_metrics(Namespace="csvpipe")["Metrics"]
    assert {each["Dimensions"][0]["Value"] for each in listed} == {"job.p1", "job"}
    assert len(listed) == 2 * len(Metric)


@pytest.fixture
def moto_cloudwatch(moto_aws: None) -> CloudWatchClient:
    return boto3.client("cloudwatch", region_name="us-east-1")


def emitter(client: CloudWatchClient, *, interval_s: float = 3600) -> CloudWatchEmitter:
    return CloudWatchEmitter(client, namespace="csvpipe", job_id="job", progress=HALFWAY, interval_s=interval_s)


def test_every_metric_reaches_cloudwatch_with_its_unit_and_job(moto_cloudwatch: CloudWatchClient) -> None:
    with emitter(moto_cloudwatch):
        pass
    listed = moto_cloudwatch.list_metrics(Namespace="csvpipe")["Metrics"]
    assert {each["MetricName"] for each in listed} == {metric.value for metric in Metric}
    assert listed[0]["Dimensions"] == [{"Name": "JobId", "Value": "job"}]
    now = datetime.now(UTC)
    (point,) = moto_cloudwatch.get_metric_statistics(
        Namespace="csvpipe",
        MetricName="RecordsSent",
        Dimensions=listed[0]["Dimensions"],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=7200,
        Statistics=["Maximum"],
    )["Datapoints"]
    assert (point["Maximum"], point["Unit"]) == (500, "Count")


def test_unreachable_cloudwatch_loses_only_metrics(moto_cloudwatch: CloudWatchClient) -> None:
    away = EndpointConnectionError(endpoint_url="http://x")
    send = moto_cloudwatch.put_metric_data
    calls = []

    def fail_twice(**given: Any) -> Any:
        calls.append(given)
        if len(calls) <= 2:
            raise away
        return send(**given)

    with (
        patch.object(moto_cloudwatch, "put_metric_data", fail_twice),
        emitter(moto_cloudwatch, interval_s=0.01) as emitting,
    ):
        wait_until(lambda: len(calls) > 3, what="more is sent", deadline_s=20)
    assert emitting.dropped == 2


def test_cloudwatch_that_hangs_holds_the_end_up_for_seconds_only(moto_cloudwatch: CloudWatchClient) -> None:
    go_on = threading.Event()
    with (
        patch("sequencer.metrics.cloudwatch._CLOSE_S", 0.05),
        patch.object(moto_cloudwatch, "put_metric_data", lambda **_: go_on.wait(60)),
        emitter(moto_cloudwatch, interval_s=0.01),
    ):
        pass
    go_on.set()


def test_dashboard_has_seven_widgets_of_metrics_that_are_sent(moto_cloudwatch: CloudWatchClient) -> None:
    body = dashboard_body(namespace="csvpipe", job_id="job", region="eu-central-1")
    moto_cloudwatch.put_dashboard(DashboardName="job", DashboardBody=json.dumps(body))
    kept = json.loads(moto_cloudwatch.get_dashboard(DashboardName="job")["DashboardBody"])
    assert len(kept["widgets"]) == len(WIDGETS) == 7
    lines = [line for widget in kept["widgets"] for line in widget["properties"]["metrics"]]
    assert {line[1] for line in lines} <= {metric.value for metric in Metric}
    assert {(line[0], *line[2:4]) for line in lines} == {("csvpipe", "JobId", "job")}
    places = {(widget["x"], widget["y"]) for widget in kept["widgets"]}
    assert len(places) == 7
