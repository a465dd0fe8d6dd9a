"""Users of a secure stack's Kafka: how they connect, and what they may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.names import TOPIC_DEAD_LETTER, TOPIC_INGEST
from stack.component import StackContext

if TYPE_CHECKING:
    from confluent_kafka.admin import AclBinding, AdminClient  # type: ignore[attr-defined]  # its own examples do so

CONSUMER_GROUP = "airflow-csv-ingestion"
"""Group of the listener's DAG."""
SCRAM = "SCRAM-SHA-512"
ADMIN = "admin"
"""May do everything: the broker itself, and the stack's own administration."""
_RIGHTS: dict[str, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    "uploader": (("TOPIC", TOPIC_INGEST, ("DESCRIBE", "WRITE")),),
    "airflow": (
        ("TOPIC", TOPIC_INGEST, ("DESCRIBE", "READ")),
        ("TOPIC", TOPIC_DEAD_LETTER, ("DESCRIBE", "WRITE")),
        ("GROUP", CONSUMER_GROUP, ("DESCRIBE", "READ")),
    ),
    "monitoring": (
        ("TOPIC", "*", ("DESCRIBE",)),
        ("GROUP", "*", ("DESCRIBE",)),
        ("BROKER", "kafka-cluster", ("DESCRIBE",)),
    ),
}
"""What each other user may do: kind and name of the resource, and operations on it."""
USERS = (ADMIN, *_RIGHTS)
_CALL_S = 60


def client_properties(context: StackContext, user: str) -> dict[str, str]:
    """Return the configuration (librdkafka) of a client of this stack that connects as ``user``."""
    bootstrap = {"bootstrap.servers": f"{context.settings.host}:{context.settings.kafka_port}"}
    if not context.secure:
        return bootstrap
    return {
        **bootstrap,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": SCRAM,
        "sasl.username": user,
        "sasl.password": context.secrets.kafka_password(user).get_secret_value(),
        "ssl.ca.location": str(context.ca_file),
    }


def scram_argument(context: StackContext, user: str) -> str:
    """Return what ``--add-scram`` of Kafka's storage tool takes, with the user's password in it."""
    return f"{SCRAM}=[name={user},password={context.secrets.kafka_password(user).get_secret_value()}]"


def grant_rights(admin: AdminClient) -> None:
    """Grant every user its rights. Those that exist are kept."""
    for user in _RIGHTS:
        grant_rights_of(admin, user, to=user)


def grant_rights_of(admin: AdminClient, user: str, *, to: str) -> None:
    """Grant ``to`` the rights that ``user`` has."""
    bindings = [
        _allow(to, kind, name, operation) for kind, name, operations in _RIGHTS[user] for operation in operations
    ]
    for done in admin.create_acls(bindings).values():
        done.result(_CALL_S)


def _allow(user: str, kind: str, name: str, operation: str) -> AclBinding:
    from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its own examples do so
        AclBinding,
        AclOperation,
        AclPermissionType,
        ResourcePatternType,
        ResourceType,
    )

    return AclBinding(
        ResourceType[kind],
        name,
        ResourcePatternType.LITERAL,
        f"User:{user}",
        "*",
        AclOperation[operation],
        AclPermissionType.ALLOW,
    )
