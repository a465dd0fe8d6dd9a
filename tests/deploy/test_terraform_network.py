"""What the options would connect: security groups, endpoints, and subnets from which the image can be pulled."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.terraform.plan import Plan
from tests.support.terraform.program import EXAMPLE, OPTIONS, changed, terraform

JOB_GROUP = "fake-id-of-aws_security_group-csvpipe-big-job"
VPC_BLOCKS = {"10.0.0.0/16", "100.64.0.0/16"}
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
