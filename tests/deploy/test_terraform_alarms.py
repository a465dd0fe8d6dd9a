"""What the options would observe: metrics that the job sends, and alarms and events that reach a person."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from sequencer.metrics.dashboard import WIDGETS, dashboard_body
from sequencer.metrics.job_metrics import JOB_DIMENSION, Metric
from tests.support.terraform.fake_iam import Call, Context, allows
from tests.support.terraform.fake_metric_math import alarms, metrics_of
from tests.support.terraform.plan import Plan
from tests.support.terraform.program import OPTIONS, TERRAFORM

ALARMS = "fake-arn-of-aws_sns_topic-csvpipe-big-alarms"
RUNBOOK = TERRAFORM.parent / "docs" / "operations" / "runbook.md"
TEMPLATE = TERRAFORM / "modules" / "dashboard" / "dashboard.json.tftpl"


def test_dashboard_template_is_that_of_the_code() -> None:
    placeholders = ("${namespace}", "${job_id}", "${region}")
    argv = [sys.executable, "-m", "sequencer.metrics.dashboard", *placeholders]
    written = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    quoted = " ".join(f"'{each}'" for each in placeholders)
    assert TEMPLATE.read_text() == written, f"run: python -m sequencer.metrics.dashboard {quoted} > {TEMPLATE}"


def test_dashboard_has_seven_widgets_of_this_job(example_plan: Plan) -> None:
    body = json.loads(example_plan.one("aws_cloudwatch_dashboard")["dashboard_body"])
    assert body == dashboard_body(namespace="csvpipe", job_id="big", region="us-east-1")
    assert len(body["widgets"]) == len(WIDGETS) == 7


def test_alarms_use_metrics_that_the_job_sends(example_plan: Plan) -> None:
    looking = [each for each in example_plan.all("aws_cloudwatch_metric_alarm") if each["namespace"] == "csvpipe"]
    assert {each["metric_name"] for each in looking} == {"CheckpointAgeSeconds", "Errors", "DeadLetters"}
    assert {each["metric_name"] for each in looking} <= set(Metric)
    assert all(each["dimensions"] == {JOB_DIMENSION: "big"} for each in looking)


def test_event_alarms_end_when_no_more_events_happen(example_plan: Plan) -> None:
    """The job sends the increase since the last value (sequencer/metrics/job_metrics.py), not a total."""
    found = {each["metric_name"]: each for each in example_plan.all("aws_cloudwatch_metric_alarm")}
    for name in ("Errors", "DeadLetters"):
        assert (found[name]["statistic"], found[name]["period"]) == ("Sum", 300)
    assert found["CheckpointAgeSeconds"]["statistic"] == "Maximum"


WANTED = {
    OPTIONS[0]: ("ECS/ContainerInsights", "TaskCount", {"ClusterName": "csvpipe-big"}),
    OPTIONS[1]: (
        "AWS/ECS",
        "CPUReservation",
        {"ClusterName": "fake-ecs_cluster_arn-of-aws_batch_compute_environment-"},
    ),
    OPTIONS[2]: ("AWS/AutoScaling", "GroupDesiredCapacity", {"AutoScalingGroupName": "csvpipe-big"}),
}


@pytest.mark.parametrize("option_name", OPTIONS)
def test_wanted_but_silent_job_raises_an_alarm(option_name: str, planned: Callable[..., Plan]) -> None:
    (alarm,) = [e for e in planned(option_name).all("aws_cloudwatch_metric_alarm") if "silent" in e["alarm_name"]]
    metrics = metrics_of(alarm)
    looked_at = {name: (m["namespace"], m["metric_name"], m["dimensions"]) for name, m in metrics.items()}
    assert looked_at == {"wanted0": WANTED[option_name], "sent": ("csvpipe", "RecordsSent", {JOB_DIMENSION: "big"})}
    assert alarm["alarm_actions"] == [ALARMS]
    silent: dict[float | None, bool] = {None: True, 0.0: False, 7.0: False}  # 0: it waits, and says so
    for sent, expected in silent.items():
        assert alarms(alarm, {"wanted0": 1.0, "sent": sent}) is expected
    for wanted in (None, 0.0):
        assert not alarms(alarm, {"wanted0": wanted, "sent": None})


def test_group_reports_its_desired_capacity_to_cloudwatch(planned: Callable[..., Plan]) -> None:
    assert "GroupDesiredCapacity" in planned(OPTIONS[2]).one("aws_autoscaling_group")["enabled_metrics"]


def test_cluster_reports_running_tasks_to_cloudwatch(planned: Callable[..., Plan]) -> None:
    assert planned(OPTIONS[0]).one("aws_ecs_cluster")["setting"] == [{"name": "containerInsights", "value": "enabled"}]


def test_failed_or_timed_out_execution_raises_an_alarm(planned: Callable[..., Plan]) -> None:
    plan = planned(OPTIONS[0], job_timeout_s="7200")
    assert json.loads(plan.one("aws_sfn_state_machine")["definition"])["TimeoutSeconds"] == 7200
    (alarm,) = [e for e in plan.all("aws_cloudwatch_metric_alarm") if "needs-a-person" in e["alarm_name"]]
    assert {each["metric_name"] for each in metrics_of(alarm).values()} == {"ExecutionsFailed", "ExecutionsTimedOut"}
    assert alarms(alarm, {"failed": 1.0, "timed_out": None})
    assert alarms(alarm, {"failed": None, "timed_out": 1.0})
    assert not alarms(alarm, {"failed": None, "timed_out": None})


def test_batch_job_without_a_machine_raises_an_event_and_is_cancelled(planned: Callable[..., Plan]) -> None:
    plan = planned(OPTIONS[1], runnable_limit_s="1200")
    limits = plan.one("aws_batch_job_queue")["job_state_time_limit_action"]
    assert {(each["action"], each["state"], each["max_time_seconds"]) for each in limits} == {
        ("CANCEL", "RUNNABLE", 1200)
    }
    assert {each["reason"].partition(":")[0] for each in limits} == {"CAPACITY", "MISCONFIGURATION"}
    patterns = {each["name"]: json.loads(each["event_pattern"]) for each in plan.all("aws_cloudwatch_event_rule")}
    assert patterns["csvpipe-big-waits-for-a-machine"]["detail-type"] == ["Batch Job Queue Blocked"]


def test_every_alarm_and_rule_has_its_place_in_the_runbook(example_plan: Plan) -> None:
    names = [each["alarm_name"] for each in example_plan.all("aws_cloudwatch_metric_alarm")]
    names += [each["name"] for each in example_plan.all("aws_cloudwatch_event_rule")]
    headings = {word for line in RUNBOOK.read_text().splitlines() if line.startswith("### ") for word in line.split()}
    assert {name.removeprefix("csvpipe-big-") for name in names} <= headings


def test_alarms_all_reach_the_same_topic(example_plan: Plan) -> None:
    actions = [each["alarm_actions"] for each in example_plan.all("aws_cloudwatch_metric_alarm")]
    assert actions == [[ALARMS]] * len(actions)


def test_failed_batch_job_is_an_event_for_the_topic_of_alarms(planned: Callable[..., Plan]) -> None:
    plan = planned(OPTIONS[1])
    patterns = {each["name"]: json.loads(each["event_pattern"]) for each in plan.all("aws_cloudwatch_event_rule")}
    assert patterns["csvpipe-big-needs-a-person"]["detail"]["status"] == ["FAILED"]
    targets = {each["rule"]: each["arn"] for each in plan.all("aws_cloudwatch_event_target")}
    assert targets == dict.fromkeys(patterns, ALARMS)
    # EventBridge calls SNS as itself, with no source and no account.
    assert may_publish(plan, "events.amazonaws.com", {})


@pytest.mark.parametrize("option_name", [OPTIONS[0], OPTIONS[2]])
def test_alarm_topic_admits_eventbridge_only_with_a_rule(option_name: str, planned: Callable[..., Plan]) -> None:
    assert not may_publish(planned(option_name), "events.amazonaws.com", {})


def test_only_alarms_of_this_account_reach_the_topic(example_plan: Plan) -> None:
    assert may_publish(example_plan, "cloudwatch.amazonaws.com", {"aws:SourceAccount": ("123456789012",)})
    assert not may_publish(example_plan, "cloudwatch.amazonaws.com", {"aws:SourceAccount": ("999999999999",)})
    assert not may_publish(example_plan, "cloudwatch.amazonaws.com", {})
    assert not may_publish(example_plan, "s3.amazonaws.com", {"aws:SourceAccount": ("123456789012",)})


def test_lost_event_raises_an_alarm(planned: Callable[..., Plan]) -> None:
    plan = planned(OPTIONS[1])
    lost = [e for e in plan.all("aws_cloudwatch_metric_alarm") if e["metric_name"] == "FailedInvocations"]
    assert {(each["namespace"], each["statistic"]) for each in lost} == {("AWS/Events", "Sum")}
    rules = {each["name"] for each in plan.all("aws_cloudwatch_event_rule")}
    assert {each["dimensions"]["RuleName"] for each in lost} == rules
    assert all(each["alarm_actions"] == [ALARMS] for each in lost)


def may_publish(plan: Plan, service: str, context: Context) -> bool:
    """Return whether a service of AWS may publish to the topic of alarms, by the topic's own policy."""
    call, principals = Call("sns:Publish", ALARMS, context), plan.principals("alarms")
    return any(service in principals[sid] and allows(each, call) for sid, each in plan.statements("alarms").items())
