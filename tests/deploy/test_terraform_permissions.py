"""What the job may do is what its code does, and to what it is told to do it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

import aws.object_head
import aws.s3_reader
import sequencer.checkpoint.dynamodb
import sequencer.metrics.cloudwatch
import sequencer.source.s3_object
from tests.support.terraform.plan import Plan, Statement
from tests.support.terraform.program import OPTIONS

CLUSTER = "arn:aws:kafka:us-east-1:123456789012:cluster/example/01234567-89ab-cdef-0123-456789abcdef-1"
TOPIC = CLUSTER.replace(":cluster/", ":topic/") + "/rows"
EXCLUSIVE = {
    "ReadTheSource": Statement(frozenset({"s3:GetObject"}), ("arn:aws:s3:::my-data/exports/big.csv",), ()),
    "ConnectToKafka": Statement(
        frozenset(
            {
                "kafka-cluster:Connect",
                "kafka-cluster:DescribeClusterDynamicConfiguration",
                "kafka-cluster:WriteDataIdempotently",
            }
        ),
        (CLUSTER,),
        (),
    ),
    "WriteTheTopic": Statement(
        frozenset(
            {
                "kafka-cluster:DescribeTopic",
                "kafka-cluster:DescribeTopicDynamicConfiguration",
                "kafka-cluster:ReadData",
                "kafka-cluster:WriteData",
            }
        ),
        (TOPIC,),
        (),
    ),
    "FenceTheTopic": Statement(frozenset({"kafka-cluster:AlterTopicDynamicConfiguration"}), (TOPIC,), ()),
    "KeepCheckpoints": Statement(
        frozenset({"dynamodb:GetItem", "dynamodb:UpdateItem"}),
        ("fake-arn-of-aws_dynamodb_table-csvpipe-big-checkpoints",),
        (("ForAllValues:StringLike", "dynamodb:LeadingKeys", ("big",)),),
    ),
    "LookForTheOtherForm": Statement(
        frozenset({"dynamodb:GetItem"}),
        ("fake-arn-of-aws_dynamodb_table-csvpipe-big-checkpoints",),
        (("ForAllValues:StringEquals", "dynamodb:LeadingKeys", ("big.p0",)),),
    ),
    "PutMetrics": Statement(
        frozenset({"cloudwatch:PutMetricData"}), ("*",), (("StringEquals", "cloudwatch:namespace", ("csvpipe",)),)
    ),
}


def calls(module: object) -> set[str]:
    """Return the methods of a client that a module calls: ``self._client.x(...)`` or ``client.x(...)``."""
    tree = ast.parse(Path(str(module.__file__)).read_text())  # type: ignore[attr-defined]  # a module has a file
    owners = {"self._client", "client"}
    return {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) in owners
    }


def test_job_may_do_this_and_nothing_else(example_plan: Plan) -> None:
    assert example_plan.statements("job") == EXCLUSIVE


def test_transactional_job_may_use_its_own_transactional_id(planned: Callable[..., Plan]) -> None:
    statements = planned(OPTIONS[0], mode="transactional").statements("job")
    own = CLUSTER.replace(":cluster/", ":transactional-id/") + "/big"
    actions = frozenset({"kafka-cluster:DescribeTransactionalId", "kafka-cluster:AlterTransactionalId"})
    assert statements.pop("WriteInTransactions") == Statement(actions, (own,), ())
    assert statements == {sid: each for sid, each in EXCLUSIVE.items() if sid != "FenceTheTopic"}


def test_dead_letters_add_their_topic(planned: Callable[..., Plan]) -> None:
    statements = planned(OPTIONS[0], on_bad_row="dead-letter").statements("job")
    for sid in ("WriteTheTopic", "FenceTheTopic"):
        assert statements[sid] == Statement(EXCLUSIVE[sid].actions, (TOPIC, f"{TOPIC}-dlq"), ())
    assert set(statements) == set(EXCLUSIVE)


def test_job_without_fence_may_set_nothing(planned: Callable[..., Plan]) -> None:
    plan = planned(OPTIONS[0], fence="false")
    assert plan.environment()["FENCE"] == "false"
    assert plan.statements("job") == {sid: each for sid, each in EXCLUSIVE.items() if sid != "FenceTheTopic"}


def test_dead_letters_are_fenced_in_transactional_mode(planned: Callable[..., Plan]) -> None:
    """They are in no transaction, so that nothing else keeps a late one out."""
    statements = planned(OPTIONS[0], mode="transactional", on_bad_row="dead-letter").statements("job")
    assert statements["FenceTheTopic"].resources == (f"{TOPIC}-dlq",)


def test_late_requests_are_refused_by_default(example_plan: Plan) -> None:
    assert example_plan.environment()["FENCE"] == "true"


def test_topic_that_one_broker_could_lose_is_refused_by_default(
    example_plan: Plan, planned: Callable[..., Plan]
) -> None:
    assert example_plan.environment()["REQUIRE_DURABLE_TOPIC"] == "true"
    assert planned(OPTIONS[0], require_durable_topic="false").environment()["REQUIRE_DURABLE_TOPIC"] == "false"


def test_prefix_may_be_listed_and_read_below(planned: Callable[..., Plan]) -> None:
    statements = planned(OPTIONS[0], s3_key="exports/").statements("job")
    assert statements["ReadTheSource"].resources == ("arn:aws:s3:::my-data/exports/*",)
    only = (("StringEquals", "s3:prefix", ("exports/",)),)
    assert statements["ListThePrefix"] == Statement(frozenset({"s3:ListBucket"}), ("arn:aws:s3:::my-data",), only)


def test_own_key_of_the_source_may_decrypt_through_s3_only(planned: Callable[..., Plan]) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/of-the-source"
    statement = planned(OPTIONS[0], s3_kms_key_arn=key).statements("job")["DecryptTheSource"]
    through_s3 = (("StringEquals", "kms:ViaService", ("s3.us-east-1.amazonaws.com",)),)
    assert statement == Statement(frozenset({"kms:Decrypt"}), (key,), through_s3)


def test_table_permissions_are_the_calls_of_the_code() -> None:
    called = calls(sequencer.checkpoint.dynamodb)
    # Nobody in the sequencer forgets a job: DynamoDbCheckpoints.delete is for tests and people.
    package = Path(sequencer.checkpoint.dynamodb.__file__).parents[1]
    assert not any(".delete(" in path.read_text() for path in package.rglob("*.py"))
    assert called == {"get_item", "update_item", "delete_item"}
    assert EXCLUSIVE["KeepCheckpoints"].actions == {"dynamodb:GetItem", "dynamodb:UpdateItem"}


def test_other_permissions_are_the_calls_of_the_code() -> None:
    # HeadObject takes s3:GetObject; ListObjectsV2, for prefixes alone, s3:ListBucket.
    assert calls(sequencer.source.s3_object) == {"get_paginator"}
    assert calls(aws.s3_reader) == {"get_object"}
    # head_bucket is for the commands and the uploader: the sequencer uses only head_object of the module.
    assert calls(aws.object_head) == {"get_object", "head_object", "head_bucket"}
    assert calls(sequencer.metrics.cloudwatch) == {"put_metric_data"}


def test_execution_role_may_only_pull_the_image_and_write_the_log(example_plan: Plan) -> None:
    statements = example_plan.statements("runtime")
    assert statements["PullTheImage"].resources == ("fake-arn-of-aws_ecr_repository-csvpipe-big",)
    assert statements["WriteTheLog"].resources == ("fake-arn-of-aws_cloudwatch_log_group-/csvpipe/big:log-stream:*",)
    assert set(statements) == {"LogInToTheRegistry", "PullTheImage", "WriteTheLog"}


@pytest.mark.parametrize("name", ["job", "runtime"])
def test_no_permission_has_a_wildcard(example_plan: Plan, name: str) -> None:
    for statement in example_plan.statements(name).values():
        assert not any("*" in action for action in statement.actions)
        if "*" in statement.resources:
            assert statement.actions in ({"cloudwatch:PutMetricData"}, {"ecr:GetAuthorizationToken"})


def test_machine_may_end_its_own_group_and_no_other(planned: Callable[..., Plan]) -> None:
    statement = planned(OPTIONS[2]).statements("end_the_group")["EndTheGroup"]
    assert statement.actions == {"autoscaling:SetDesiredCapacity"}
    assert [each.rpartition("/")[2] for each in statement.resources] == ["csvpipe-big"]
