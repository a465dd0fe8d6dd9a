"""What the options would set up: held to the code where the code knows it, and closed where it can be."""

from __future__ import annotations

import email
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sequencer.checkpoint.dynamodb import _key
from sequencer.settings import JobSettings
from tests.support.terraform.fake_iam import Call, allows
from tests.support.terraform.plan import Plan, Statement
from tests.support.terraform.program import OPTIONS, TERRAFORM

SCRAM = {
    "kafka_security": "scram",
    "kafka_bootstrap_servers": "b-1.example:9096",
    "kafka_secret_arn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:AmazonMSK_writer-AbCdEf",
    "kafka_secret_kms_key_arn": "arn:aws:kms:us-east-1:123456789012:key/of-the-secret",
}


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


def test_running_execution_may_start_its_own_revision(planned: Callable[..., Plan]) -> None:
    plan = planned(OPTIONS[0])
    task = plan.one("aws_ecs_task_definition")
    assert task["skip_destroy"] is True
    own_cluster = (("ArnEquals", "ecs:cluster", ("fake-arn-of-aws_ecs_cluster-csvpipe-big",)),)
    every_revision = f"{task['arn_without_revision']}:*"
    right = plan.statements("runner")["RunTheTask"]
    assert right == Statement(frozenset({"ecs:RunTask"}), (every_revision,), own_cluster)


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
