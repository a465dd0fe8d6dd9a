"""The permissions of MSK's IAM as ACLs of Apache's broker, which enforces them.

MSK describes each action by the ACL that it is equivalent to ("Semantics of IAM authorization policy actions and
resources"). An action without one, or one that needs another which is not given, raises.
"""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its own examples do so
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tests.support.terraform.plan import Statement
from tests.support.waiting import wait_until

_CALL_S = 20
_ACLS = {
    "WriteDataIdempotently": (ResourceType.BROKER, AclOperation.IDEMPOTENT_WRITE),
    "DescribeCluster": (ResourceType.BROKER, AclOperation.DESCRIBE),
    "DescribeClusterDynamicConfiguration": (ResourceType.BROKER, AclOperation.DESCRIBE_CONFIGS),
    "DescribeTopic": (ResourceType.TOPIC, AclOperation.DESCRIBE),
    "ReadData": (ResourceType.TOPIC, AclOperation.READ),
    "WriteData": (ResourceType.TOPIC, AclOperation.WRITE),
    "DescribeTopicDynamicConfiguration": (ResourceType.TOPIC, AclOperation.DESCRIBE_CONFIGS),
    "AlterTopicDynamicConfiguration": (ResourceType.TOPIC, AclOperation.ALTER_CONFIGS),
    "DescribeTransactionalId": (ResourceType.TRANSACTIONAL_ID, AclOperation.DESCRIBE),
    "AlterTransactionalId": (ResourceType.TRANSACTIONAL_ID, AclOperation.WRITE),
}
_NEEDS = {
    # Apache's broker takes these with the action itself, MSK's IAM does not.
    "ReadData": {"DescribeTopic"},
    "WriteData": {"DescribeTopic"},
    "WriteDataIdempotently": {"WriteData"},
    "AlterTopicDynamicConfiguration": {"DescribeTopicDynamicConfiguration"},
    "AlterTransactionalId": {"DescribeTransactionalId", "WriteData"},
}
_RESOURCES = {
    ResourceType.BROKER: "cluster",
    ResourceType.TOPIC: "topic",
    ResourceType.TRANSACTIONAL_ID: "transactional-id",
}


def allow_on_broker(bootstrap: str, user: str, statements: Iterable[Statement], *, cluster_arn: str) -> None:
    """Give ``user`` of a broker what ``statements`` give on the cluster of MSK, and nothing else.

    Raises:
        ValueError: an action is not known, lacks one that it needs, or is given on a resource that it does not have.
    """
    granted = [
        (action.partition(":")[2], resource)
        for statement in statements
        for action in statement.actions
        if action.startswith("kafka-cluster:")
        for resource in statement.resources
    ]
    names = {action for action, _ in granted}
    if ("Connect", cluster_arn) not in granted:
        raise ValueError(f"nobody connects without Connect on {cluster_arn}: {granted}")
    for action in names:
        if missing := _NEEDS.get(action, set()) - names:
            raise ValueError(f"{action} needs {missing}")
    acls = [_acl(user, action, resource, cluster_arn) for action, resource in granted if action != "Connect"]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_acls(acls).values():
        made.result(_CALL_S)
    ours = AclBindingFilter(
        ResourceType.ANY,
        None,  # type: ignore[arg-type]  # any name
        ResourcePatternType.ANY,
        f"User:{user}",
        None,  # type: ignore[arg-type]  # any host
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    # The controller has them; the broker enforces what it answers with.
    wait_until(
        lambda: set(acls) <= set(admin.describe_acls(ours).result(_CALL_S)), what="the broker knows", deadline_s=60
    )


def _acl(user: str, action: str, resource: str, cluster_arn: str) -> AclBinding:
    kind, operation = _ACLS[action]
    begin = cluster_arn.replace(":cluster/", f":{_RESOURCES[kind]}/")
    if not resource.startswith(begin):
        raise ValueError(f"{action} is not a right on {resource}")
    name = "kafka-cluster" if kind is ResourceType.BROKER else resource.removeprefix(f"{begin}/")
    pattern = ResourcePatternType.PREFIXED if name.endswith("*") else ResourcePatternType.LITERAL
    return AclBinding(kind, name.rstrip("*"), pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
