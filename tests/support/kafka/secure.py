"""A real broker with TLS, SASL/SCRAM and SASL/OAUTHBEARER listeners, and with ACLs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its own examples do so
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from stack.component import Report, StackContext
from stack.components.kafka import Kafka
from stack.local import LocalStack
from stack.ports import free_ports
from tests.support.network.certificates import CertificateAuthority
from tests.support.services import KafkaBroker, settings_on_free_ports

FAKE_SIGNER = Path(__file__).with_name("fake_iam_signer")
"""A folder with a module that stands in for MSK's signer of tokens, for ``PYTHONPATH``."""
LISTENERS = {"tls": "TLS", "scram": "SCRAM", "iam": "OAUTH"}
"""The listener for each value of ``KAFKA_SECURITY``."""
PASSWORD = "correct horse"
RIGHTS = {
    "writer": (ResourceType.TOPIC, ResourceType.TRANSACTIONAL_ID),
    "without-transactions": (ResourceType.TOPIC,),
    "without-options": (ResourceType.TOPIC,),
    "stranger": (),
}
"""The users, all with :data:`PASSWORD`, and where they may do everything, unless :data:`OPERATIONS` says less."""
OPERATIONS = {"without-options": (AclOperation.DESCRIBE, AclOperation.READ, AclOperation.WRITE)}
_SECURITY = "org.apache.kafka.common.security"
_CALL_S = 60


class SecureKafka(Kafka):
    """The stack's Kafka with more listeners, all by TLS; whoever gives no name may do everything.

    ``EXPIRED`` and ``OTHER_NAME`` have certificates that a client must refuse.

    Kafka takes unsigned tokens of OAUTHBEARER, the mechanism of MSK's IAM, where nothing else is configured.
    """

    def __init__(self, context: StackContext, *, keystore: str, unusable: dict[str, str]) -> None:
        super().__init__(context)
        self._context = context
        self._server_pem = keystore
        self._unusable = unusable
        names, host = ("TLS", "SCRAM", "OAUTH", *unusable), context.settings.host
        ports = free_ports(len(names), host=host)
        self.listeners = {name: f"{host}:{port}" for name, port in zip(names, ports, strict=True)}

    def configure(self) -> None:
        """Write the configuration; of two values for a name Kafka takes the last."""
        super().configure()
        with (self._context.config_dir(self.name) / "server.properties").open("a", encoding="utf-8") as file:
            file.writelines(f"{key}={value}\n" for key, value in self._more_properties().items())

    def after_start(self, report: Report) -> None:
        """Make the topics, the users and what they may do."""
        super().after_start(report)
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        kind = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        users: list[UserScramCredentialAlteration] = [
            UserScramCredentialUpsertion(user, kind, PASSWORD.encode()) for user in RIGHTS
        ]
        rights = [each for user, places in RIGHTS.items() for where in places for each in _rights(user, where)]
        for done in (*admin.alter_user_scram_credentials(users).values(), *admin.create_acls(rights).values()):
            done.result(_CALL_S)

    def _more_properties(self) -> dict[str, str]:
        settings = self._context.settings
        secure = ",".join(f"{name}://{address}" for name, address in self.listeners.items())
        controller = f"CONTROLLER://{settings.host}:{settings.kafka_controller_port}"
        return {
            "listeners": f"PLAINTEXT://{self.bootstrap},{controller},{secure}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap},{secure}",
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL,SCRAM:SASL_SSL,OAUTH:SASL_SSL,"
                + ",".join(f"{name}:SSL" for name in self._unusable)
            ),
            **{
                f"listener.name.{name.lower()}.ssl.keystore.location": keystore
                for name, keystore in self._unusable.items()
            },
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._server_pem,
            "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.scram.scram-sha-512.sasl.jaas.config": f"{_SECURITY}.scram.ScramLoginModule required;",
            "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.oauth.oauthbearer.sasl.jaas.config": (
                f'{_SECURITY}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }


class SecureBroker(KafkaBroker):
    """A real broker and the addresses of its listeners."""

    def listener(self, name: str) -> str:
        """Return ``host:port`` of a listener."""
        kafka = self.stack.components[self.name]
        assert isinstance(kafka, SecureKafka)
        return kafka.listeners[name]


@contextmanager
def running_secure_kafka(root: Path, authority: CertificateAuthority) -> Iterator[SecureBroker]:
    """Start the broker under ``root``, with a certificate of ``authority``; stop it in the end."""
    stack = LocalStack(root=root, settings=settings_on_free_ports())
    host = stack.context.settings.host
    keystore = authority.write_server(root / "broker.pem", address=host)
    unusable = {
        "EXPIRED": authority.write_server(root / "expired.pem", address=host, expired=True),
        "OTHER_NAME": authority.write_server(root / "other.pem", address="192.0.2.1"),
    }
    stack.components["kafka"] = SecureKafka(stack.context, keystore=keystore, unusable=unusable)
    try:
        stack.start(["kafka"])
        yield SecureBroker(stack, "kafka")
    finally:
        stack.stop()


def _rights(user: str, kind: ResourceType) -> list[AclBinding]:
    return [
        AclBinding(kind, "*", ResourcePatternType.LITERAL, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
        for operation in OPERATIONS.get(user, (AclOperation.ALL,))
    ]
