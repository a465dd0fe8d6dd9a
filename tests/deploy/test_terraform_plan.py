"""What the options would set up: held to the code where the code knows it, and closed where it can be."""

from __future__ import annotations

import email
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sequencer.checkpoint.dynamodb import _key
from sequencer.metrics.dashboard import WIDGETS, dashboard_body
from sequencer.metrics.job_metrics import JOB_DIMENSION, Metric
from sequencer.settings import JobSettings
from tests.support.terraform.fake_iam import Call, Context, allows
from tests.support.terraform.fake_metric_math import alarms, metrics_of
from tests.support.terraform.plan import Plan, Statement
from tests.support.terraform.program import EXAMPLE, OPTIONS, TERRAFORM, changed, terraform

JOB_GROUP = "fake-id-of-aws_security_group-csvpipe-big-job"
KEY = "fake-arn-of-aws_kms_key-"
ALARMS = "fake-arn-of-aws_sns_topic-csvpipe-big-alarms"
SCRAM = {
    "kafka_security": "scram",
    "kafka_bootstrap_servers": "b-1.example:9096",
    "kafka_secret_arn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:AmazonMSK_writer-AbCdEf",
    "kafka_secret_kms_key_arn": "arn:aws:kms:us-east-1:123456789012:key/of-the-secret",
}
VPC_BLOCKS = {"10.0.0.0/16", "100.64.0.0/16"}
RUNBOOK = TERRAFORM.parent / "docs" / "operations" / "runbook.md"
TEMPLATE = TERRAFORM / "modules" / "dashboard" / "dashboard.json.tftpl"


def test_environment_consists_of_settings_of_the_job(example_plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = example_plan.environment()
    assert set(environment) <= {name.upper() for name in JobSettings.model_fields}
    for name in JobSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = JobSettings(_env_file=None)
    settings.check_complete()
    assert settings.sources == ("s3://my-data/exports/big.csv",)
    assert (settings.kafka_security, settings.kafka_topic, settings.job_id) == ("iam", "rows", "big")
    assert (settings.checkpoint_table, settings.cloudwatch_namespace) == ("csvpipe-big-checkpoints", "csvpipe")
    # Stopped is not done: what has started the job must be able to tell.
    assert settings.stopped_exit_code == 75
    assert settings.stop_within_s < 100


def test_key_of_the_table_is_that_of_the_code(example_plan: Plan) -> None:
    table = example_plan.one("aws_dynamodb_table")
    ((name, value),) = _key("big").items()
    assert (table["hash_key"], table["range_key"]) == (name, None)
    assert table["attribute"] == [{"name": name, "type": next(iter(value))}]


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


def test_batch_attempt_and_machine_have_a_time_limit(planned: Callable[..., Plan]) -> None:
    (timeout,) = planned(OPTIONS[1]).one("aws_batch_job_definition")["timeout"]
    assert timeout["attempt_duration_seconds"] == 86400
    assert "JOB_TIMEOUT_S='7200'" in planned(OPTIONS[2], job_timeout_s="7200").user_data()


@pytest.mark.parametrize("fallback", [False, True])
def test_batch_uses_several_types_and_on_demand_only_if_asked(planned: Callable[..., Plan], fallback: bool) -> None:
    plan = planned(OPTIONS[1], on_demand_fallback=str(fallback).lower(), instance_type="m7i.large")
    environments = [each["compute_resources"][0] for each in plan.all("aws_batch_compute_environment")]
    assert sorted(each["type"] for each in environments) == (["EC2", "SPOT"] if fallback else ["SPOT"])
    types = ["m7i.large", "c6i.large", "c7a.large", "m6i.large"]  # the first choice first, and each once
    assert all(each["instance_type"] == types for each in environments)
    order = plan.one("aws_batch_job_queue")["compute_environment_order"]
    assert [each["order"] for each in order] == list(range(1, len(environments) + 1))


def test_batch_job_without_a_machine_raises_an_event_and_is_cancelled(planned: Callable[..., Plan]) -> None:
    plan = planned(OPTIONS[1], runnable_limit_s="1200")
    limits = plan.one("aws_batch_job_queue")["job_state_time_limit_action"]
    assert {(each["action"], each["state"], each["max_time_seconds"]) for each in limits} == {
        ("CANCEL", "RUNNABLE", 1200)
    }
    assert {each["reason"].partition(":")[0] for each in limits} == {"CAPACITY", "MISCONFIGURATION"}
    patterns = {each["name"]: json.loads(each["event_pattern"]) for each in plan.all("aws_cloudwatch_event_rule")}
    assert patterns["csvpipe-big-waits-for-a-machine"]["detail-type"] == ["Batch Job Queue Blocked"]


def test_batch_agent_accepts_no_job_during_an_interruption(planned: Callable[..., Plan], tmp_path: Path) -> None:
    message = email.message_from_string(planned(OPTIONS[1]).user_data())
    assert message.is_multipart()
    _, part = message.walk()
    assert part.get_content_type() == "text/x-shellscript"
    script = str(part.get_payload())
    assert script.startswith("#!/bin/bash\n")
    here = script.replace("/etc/ecs/", f"{tmp_path}/")
    subprocess.run(["bash", "-c", here], check=True)
    assert (tmp_path / "ecs.config").read_text() == "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true\n"


def test_group_uses_several_types_and_on_demand_if_asked(planned: Callable[..., Plan]) -> None:
    (policy,) = planned(OPTIONS[2]).one("aws_autoscaling_group")["mixed_instances_policy"]
    types = [each["instance_type"] for each in policy["launch_template"][0]["override"]]
    assert types == ["c7i.large", "c6i.large", "c7a.large", "m7i.large", "m6i.large"]
    assert policy["instances_distribution"][0]["on_demand_percentage_above_base_capacity"] == 0
    (policy,) = planned(OPTIONS[2], on_demand="true").one("aws_autoscaling_group")["mixed_instances_policy"]
    assert policy["instances_distribution"][0]["on_demand_percentage_above_base_capacity"] == 100


NO_ROUTE, NAT, INTERNET, GATEWAYS = (f"subnet-0123456789abcdef{last}" for last in "efd0")


@pytest.mark.parametrize(("cut_off", "has_a_way"), [(NO_ROUTE, GATEWAYS), (INTERNET, NAT)])
def test_subnet_that_cannot_pull_the_image_is_refused_by_its_name(
    cut_off: str, has_a_way: str, prepared_option: Callable[[str], Path], planned: Callable[..., Plan]
) -> None:
    subnets = {"subnet_ids": json.dumps([has_a_way, cut_off])}
    arguments = [f"-var-file={EXAMPLE}", "-var=image_tag=x", *changed(OPTIONS[0], **subnets)]
    refused = terraform(prepared_option(OPTIONS[0]), "plan", "-input=false", "-no-color", *arguments, provider=True)
    assert refused.code != 0
    said = " ".join(refused.text.replace("│", " ").split())
    assert f"the route tables of {cut_off} have no gateway endpoints" in said
    tables = planned(OPTIONS[0], **subnets, route_table_ids='["rtb-0123456789abcdef0"]')
    gateways = [each for each in tables.all("aws_vpc_endpoint") if each["vpc_endpoint_type"] == "Gateway"]
    assert [each["route_table_ids"] for each in gateways] == [["rtb-0123456789abcdef0"]] * 2
    # The subnets have a NAT of their own then, or endpoints that somebody else has made.
    assert planned(OPTIONS[0], **subnets, create_vpc_endpoints="false").all("aws_vpc_endpoint") == []


@pytest.mark.parametrize("option_name", OPTIONS)
def test_other_partitions_have_their_own_arns(option_name: str, planned: Callable[..., Plan]) -> None:
    cluster = "arn:aws-us-gov:kafka:us-gov-west-1:123456789012:cluster/example/01234567-89ab-cdef-0123-456789abcdef-1"
    plan = planned(option_name, aws_region="us-gov-west-1", msk_cluster_arn=cluster)
    assert "arn:aws-us-gov:s3:::my-data" in plan.text
    assert "arn:aws:" not in plan.text


def test_checkpoint_table_is_protected_from_deletion(example_plan: Plan) -> None:
    table = example_plan.one("aws_dynamodb_table")
    assert table["deletion_protection_enabled"] is True
    assert table["point_in_time_recovery"][0]["enabled"] is True


def test_budget_covers_the_job_and_notifies_the_address(planned: Callable[..., Plan]) -> None:
    assert planned(OPTIONS[0]).all("aws_budgets_budget") == []
    budget = planned(OPTIONS[0], monthly_budget_usd="25", alarm_email="me@example.com").one("aws_budgets_budget")
    assert (budget["limit_amount"], budget["limit_unit"], budget["time_unit"]) == ("25", "USD", "MONTHLY")
    assert budget["cost_filter"] == [{"name": "TagKeyValue", "values": ["user:JobId$big"]}]
    told = {(each["notification_type"], each["threshold"]) for each in budget["notification"]}
    assert told == {("ACTUAL", 80), ("FORECASTED", 100)}
    assert all(each["subscriber_email_addresses"] == ["me@example.com"] for each in budget["notification"])


def test_root_of_the_container_is_read_only_and_nothing_is_mounted(planned: Callable[..., Plan]) -> None:
    """Fargate's volumes belong to root: the job's user could not write there, and does not."""
    task = planned(OPTIONS[0]).one("aws_ecs_task_definition")
    (container,) = json.loads(task["container_definitions"])
    assert container["readonlyRootFilesystem"] is True
    assert not task["volume"]
    assert not container.get("mountPoints")


def test_every_alarm_and_rule_has_its_place_in_the_runbook(example_plan: Plan) -> None:
    names = [each["alarm_name"] for each in example_plan.all("aws_cloudwatch_metric_alarm")]
    names += [each["name"] for each in example_plan.all("aws_cloudwatch_event_rule")]
    headings = {word for line in RUNBOOK.read_text().splitlines() if line.startswith("### ") for word in line.split()}
    assert {name.removeprefix("csvpipe-big-") for name in names} <= headings


def test_alarms_all_reach_the_same_topic(example_plan: Plan) -> None:
    actions = [each["alarm_actions"] for each in example_plan.all("aws_cloudwatch_metric_alarm")]
    assert actions == [[ALARMS]] * len(actions)


def test_job_accepts_no_connections(example_plan: Plan) -> None:
    entered = {each["security_group_id"] for each in example_plan.all("aws_vpc_security_group_ingress_rule")}
    assert entered == {"fake-id-of-aws_security_group-csvpipe-big-endpoints"}
    assert all(each["ingress"] is None for each in example_plan.all("aws_security_group"))


def test_job_may_connect_to_kafka_and_aws_only(example_plan: Plan) -> None:
    rules = example_plan.all("aws_vpc_security_group_egress_rule")
    assert {each["security_group_id"] for each in rules} == {JOB_GROUP}
    assert {each["ip_protocol"] for each in rules} == {"tcp"}
    ports = {(each["description"], each["from_port"], each["to_port"], each["cidr_ipv4"]) for each in rules}
    assert ports == {
        *(("Kafka", 9098, 9098, block) for block in VPC_BLOCKS),
        ("HTTPS to s3", 443, 443, None),
        ("HTTPS to dynamodb", 443, 443, None),
        ("HTTPS to the VPC endpoints", 443, 443, None),
    }


def test_security_group_of_the_brokers_narrows_the_way_to_them(planned: Callable[..., Plan]) -> None:
    plan = planned(OPTIONS[0], kafka_security_group_id="sg-0123456789abcdef0")
    (kafka,) = [e for e in plan.all("aws_vpc_security_group_egress_rule") if e["description"] == "Kafka"]
    assert (kafka["referenced_security_group_id"], kafka["cidr_ipv4"]) == ("sg-0123456789abcdef0", None)
    (entry,) = [e for e in plan.all("aws_vpc_security_group_ingress_rule") if e["description"] == "From csvpipe-big"]
    assert (entry["security_group_id"], entry["referenced_security_group_id"]) == ("sg-0123456789abcdef0", JOB_GROUP)


def test_only_https_leaves_the_vpc_without_endpoints(planned: Callable[..., Plan]) -> None:
    plan = planned(OPTIONS[0], create_vpc_endpoints="false")
    assert plan.all("aws_vpc_endpoint") == []
    wide = [e for e in plan.all("aws_vpc_security_group_egress_rule") if e["cidr_ipv4"] == "0.0.0.0/0"]
    assert [(each["from_port"], each["to_port"]) for each in wide] == [(443, 443)]


def test_endpoints_serve_the_whole_vpc(example_plan: Plan) -> None:
    entries = example_plan.all("aws_vpc_security_group_ingress_rule")
    assert {(each["cidr_ipv4"], each["from_port"], each["to_port"]) for each in entries} == {
        (block, 443, 443) for block in VPC_BLOCKS
    }
    assert all(each["private_dns_enabled"] for each in example_plan.all("aws_vpc_endpoint"))


def test_endpoint_uses_one_subnet_of_each_zone(planned: Callable[..., Plan]) -> None:
    first, second, third = (f"subnet-0123456789abcdef{digit}" for digit in (0, 1, 2))
    subnets = json.dumps([third, second, first])  # the first and the third are in one zone
    endpoints = planned(OPTIONS[0], subnet_ids=subnets).all("aws_vpc_endpoint")
    assert [each["subnet_ids"] for each in endpoints] == [[third, second]] * len(endpoints)


def test_running_execution_may_start_its_own_revision(planned: Callable[..., Plan]) -> None:
    plan = planned(OPTIONS[0])
    task = plan.one("aws_ecs_task_definition")
    assert task["skip_destroy"] is True
    own_cluster = (("ArnEquals", "ecs:cluster", ("fake-arn-of-aws_ecs_cluster-csvpipe-big",)),)
    every_revision = f"{task['arn_without_revision']}:*"
    right = plan.statements("runner")["RunTheTask"]
    assert right == Statement(frozenset({"ecs:RunTask"}), (every_revision,), own_cluster)


@pytest.mark.parametrize(
    ("option_name", "more"),
    [
        (OPTIONS[0], set()),
        (OPTIONS[1], {"ecs", "ecs-agent", "ecs-telemetry"}),
        (OPTIONS[2], {"autoscaling"}),
    ],
)
def test_endpoints_are_those_that_the_option_calls(
    option_name: str, more: set[str], planned: Callable[..., Plan]
) -> None:
    made = {each["service_name"].split("us-east-1.")[1] for each in planned(option_name).all("aws_vpc_endpoint")}
    assert made == {"ecr.api", "ecr.dkr", "logs", "monitoring"} | more


def test_fargate_gives_the_job_time_to_drain(planned: Callable[..., Plan]) -> None:
    task = planned(OPTIONS[0]).one("aws_ecs_task_definition")
    (container,) = json.loads(task["container_definitions"])
    environment = planned(OPTIONS[0]).environment()
    assert float(environment["STOP_WITHIN_S"]) < container["stopTimeout"] <= 120
    assert (container["command"], container["readonlyRootFilesystem"]) == (["sequence"], True)
    assert container["image"].endswith(":0123456789ab")


def test_batch_retries_after_an_interruption_and_after_75(planned: Callable[..., Plan]) -> None:
    definition = planned(OPTIONS[1]).one("aws_batch_job_definition")
    (strategy,) = definition["retry_strategy"]
    rules = [
        ({key: value for key, value in each.items() if key.startswith("on_") and value}, each["action"])
        for each in strategy["evaluate_on_exit"]
    ]
    assert rules == [
        ({"on_status_reason": "Host EC2*"}, "RETRY"),
        ({"on_exit_code": "75"}, "RETRY"),
        ({"on_reason": "OutOfMemoryError*"}, "EXIT"),
        ({"on_exit_code": "137"}, "RETRY"),
        ({"on_reason": "*"}, "EXIT"),
    ]
    assert strategy["attempts"] == 10


def test_batch_polls_for_the_notice_and_uses_spot_machines(planned: Callable[..., Plan]) -> None:
    plan = planned(OPTIONS[1])
    assert plan.environment()["INTERRUPTION_CHECK"] == "true"
    (resources,) = plan.one("aws_batch_compute_environment")["compute_resources"]
    assert (resources["type"], resources["min_vcpus"], resources["max_vcpus"]) == ("SPOT", 0, 2)


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


@pytest.mark.parametrize("option_name", OPTIONS)
def test_extra_settings_reach_the_job_and_determine_its_permissions(
    option_name: str, planned: Callable[..., Plan]
) -> None:
    given = {
        "SOURCE": "s3://first/a.csv s3://second/below/ s3://third/",
        "SCHEMA_FILE": "s3://schemas/rows.yaml",
        "PARTITIONS": "3",
        "DELIMITER": ";",
        "KAFKA_OPTIONS": '{"linger.ms": "5"}',
    }
    plan = planned(option_name, extra_environment=json.dumps(given))
    environment = plan.environment()
    assert {name: environment[name] for name in given} == given
    assert "S3_KEY" not in environment
    statements = plan.statements("job")
    assert statements["ReadTheSource"].resources == (
        "arn:aws:s3:::first/a.csv",
        "arn:aws:s3:::second/below/*",
        "arn:aws:s3:::third/*",
    )
    listed = [(each.resources, each.conditions[0][2]) for sid, each in statements.items() if "ListThePrefix" in sid]
    assert listed == [(("arn:aws:s3:::second",), ("below/",)), (("arn:aws:s3:::third",), ("",))]
    assert statements["ReadTheSchema"].resources == ("arn:aws:s3:::schemas/rows.yaml",)


@pytest.mark.parametrize("option_name", OPTIONS[:2])
def test_password_is_fetched_by_the_execution_role(option_name: str, planned: Callable[..., Plan]) -> None:
    plan = planned(option_name, **SCRAM)
    assert plan.secrets() == {
        "KAFKA_USERNAME": f"{SCRAM['kafka_secret_arn']}:username::",
        "KAFKA_PASSWORD": f"{SCRAM['kafka_secret_arn']}:password::",
    }
    assert not {"KAFKA_USERNAME", "KAFKA_PASSWORD"} & set(plan.environment())
    assert plan.environment()["KAFKA_SECURITY"] == "scram"
    role = plan.statements("runtime").values()
    key, through = SCRAM["kafka_secret_kms_key_arn"], {"kms:ViaService": ("secretsmanager.us-east-1.amazonaws.com",)}
    wanted = [Call("secretsmanager:GetSecretValue", SCRAM["kafka_secret_arn"]), Call("kms:Decrypt", key, through)]
    refused = [
        Call("secretsmanager:GetSecretValue", SCRAM["kafka_secret_arn"].replace("AmazonMSK", "Other")),
        Call("kms:Decrypt", key, {"kms:ViaService": ("s3.us-east-1.amazonaws.com",)}),
    ]
    assert [any(allows(each, call) for each in role) for call in (*wanted, *refused)] == [True, True, False, False]
    assert not any("secretsmanager" in action for each in plan.statements("job").values() for action in each.actions)


def test_user_data_contains_the_secret_arn_only(planned: Callable[..., Plan]) -> None:
    plan = planned(OPTIONS[2], **SCRAM)
    assert f"KAFKA_SECRET_ARN='{SCRAM['kafka_secret_arn']}'" in plan.user_data()
    assert not {"KAFKA_USERNAME", "KAFKA_PASSWORD"} & set(plan.environment())
    assert plan.statements("runtime")["ReadTheSecret"].resources == (SCRAM["kafka_secret_arn"],)


@pytest.mark.parametrize(("security", "port"), [("tls", 9094), ("plaintext", 9092), ("scram", 9196)])
def test_other_authentication_opens_its_port_and_needs_no_iam(
    security: str, port: int, planned: Callable[..., Plan]
) -> None:
    secret = SCRAM if security == "scram" else {}
    given = {**secret, "kafka_security": security, "kafka_bootstrap_servers": f"b-1.example:{port}"}
    plan = planned(OPTIONS[0], **given)
    kafka = [e for e in plan.all("aws_vpc_security_group_egress_rule") if e["description"] == "Kafka"]
    assert {(each["from_port"], each["to_port"]) for each in kafka} == {(port, port)}
    actions = {action for each in plan.statements("job").values() for action in each.actions}
    assert not any(action.startswith("kafka-cluster:") for action in actions)
    services = {each["service_name"].split("us-east-1.")[1] for each in plan.all("aws_vpc_endpoint")}
    assert ("secretsmanager" in services) == (security == "scram")


def test_group_starts_without_a_machine_and_never_has_two(planned: Callable[..., Plan]) -> None:
    plan = planned(OPTIONS[2])
    group = plan.one("aws_autoscaling_group")
    assert (group["min_size"], group["desired_capacity"], group["max_size"]) == (0, 0, 1)
    assert plan.one("aws_launch_template")["instance_initiated_shutdown_behavior"] == "terminate"


def test_machine_gets_its_settings_before_its_script(planned: Callable[..., Plan]) -> None:
    data = planned(OPTIONS[2]).user_data()
    assert data.startswith("#!/bin/bash\n")
    assert data.endswith((TERRAFORM / OPTIONS[2] / "user-data.sh").read_text())
    written = data.split("<<'HOST_ENV'\n", 1)[1].split("\nHOST_ENV\n", 1)[0]
    assert {line.partition("=")[0] for line in written.splitlines()} == {
        *("AWS_REGION", "JOB_ID", "IMAGE", "LOG_GROUP", "GROUP", "MAX_RUNS", "KAFKA_SECRET_ARN"),
        *("JOB_TIMEOUT_S", "COMMAND"),
    }
    subprocess.run(["bash", "-n"], input=data, text=True, check=True)
    assert len(data.encode()) < 16 * 1024  # what EC2 takes
