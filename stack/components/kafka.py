"""Kafka component: one KRaft node, assembled from jars of Maven Central."""

from __future__ import annotations

import hashlib
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from subprocess import run
from typing import TYPE_CHECKING

from contracts.names import TOPIC_DEAD_LETTER, TOPIC_INGEST
from stack.component import ProcessSpec, Report, StackContext
from stack.dist import build_once
from stack.errors import PrepareError
from stack.kafka_users import ADMIN, SCRAM, USERS, client_properties, grant_rights, scram_argument
from stack.maven import run_maven
from stack.private_file import write_private
from stack.tools import provide_java
from stack.versions import version

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

_SOURCES = Path(__file__).parent.parent / "kafka_dist"
_TOPICS = {TOPIC_INGEST: 3, TOPIC_DEAD_LETTER: 1}
_CALL_S = 60


class Kafka:
    """A broker and controller in one process, with the pipeline's topics."""

    name = "kafka"
    needs: tuple[str, ...] = ()

    def __init__(self, context: StackContext) -> None:
        self._context = context
        self._dist_name = _dist_name()

    @property
    def bootstrap(self) -> str:
        """Return ``host:port`` for clients."""
        return f"{self._context.settings.host}:{self._context.settings.kafka_port}"

    def prepare(self, report: Report) -> None:
        """Download the jars."""
        provide_java(report)
        pom = (_SOURCES / "pom.xml").read_bytes()
        versions = (version("kafka"), version("kafka", "scala"), version("kafka", "log4j-slf4j-impl"))
        stamp = " ".join((*versions, hashlib.sha256(pom).hexdigest()))

        def download(into: Path) -> None:
            report(f"downloading Kafka {versions[0]} (54 MB)")
            (into / "pom.xml").write_bytes(pom)
            names = ("kafka.version", "kafka.scala", "log4j.version")
            properties = [f"-D{name}={value}" for name, value in zip(names, versions, strict=True)]
            goal = ["dependency:copy-dependencies", f"-DoutputDirectory={into / 'libs'}"]
            run_maven(*properties, *goal, cwd=into, report=report)

        build_once(self._context.dist, self._dist_name, stamp, download)

    def configure(self) -> None:
        """Write ``server.properties`` and the key store, and format the log directory if it is new."""
        if self._context.secure:
            write_private(self._keystore, self._context.certificates.pem_keystore(self.name))
        text = "".join(f"{key}={value}\n" for key, value in self._server_properties().items())
        write_private(self._properties, text)
        if not (self._data / "meta.properties").exists():
            self._format()

    def cluster_id(self) -> str:
        """Return a cluster id for a new log directory."""
        return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")

    def processes(self) -> list[ProcessSpec]:
        """Return the process of the node."""
        settings = self._context.settings
        return [
            ProcessSpec(
                name="kafka",
                argv=self._java("kafka.Kafka", str(self._properties), heap_mb=settings.kafka_heap_mb),
                cwd=self._context.data_dir(self.name),
                ready=self._missing,
                host=settings.host,
                ports=(settings.kafka_port, settings.kafka_controller_port),
                deadline_s=180,
                stop_timeout_s=30,
            )
        ]

    def after_start(self, report: Report) -> None:
        """Create the missing topics, and in a secure stack the rights of its users."""
        admin = self._admin()
        self._create_topics(admin, report)
        if self._context.secure:
            grant_rights(admin)

    def _create_topics(self, admin: AdminClient, report: Report) -> None:
        from confluent_kafka import KafkaError, KafkaException
        from confluent_kafka.cimpl import NewTopic

        missing = _TOPICS.keys() - admin.list_topics(timeout=_CALL_S).topics.keys()
        if not missing:
            return
        futures = admin.create_topics([NewTopic(t, num_partitions=_TOPICS[t], replication_factor=1) for t in missing])
        for topic, future in futures.items():
            try:
                future.result(timeout=_CALL_S)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
            report(f"topic {topic} with {_TOPICS[topic]} partition(s)")

    def addresses(self) -> dict[str, str]:
        """Return the bootstrap address."""
        return {"bootstrap": f"{self.bootstrap}{f' (SASL_SSL, {SCRAM})' if self._context.secure else ''}"}

    def description(self) -> str:
        """Return the version and the mode."""
        return f"Kafka {version('kafka')}, KRaft, 1 node"

    @property
    def _data(self) -> Path:
        return self._context.data_dir(self.name) / "log"

    @property
    def _properties(self) -> Path:
        return self._context.config_dir(self.name) / "server.properties"

    @property
    def _keystore(self) -> Path:
        return self._context.config_dir(self.name) / "keystore.pem"

    def _format(self) -> None:
        """Format the log directory, with the users of a secure stack: it can become one later."""
        # A file of arguments, as the command line of a process is public. One line is one argument: an id that starts
        # with "-" would be parsed as an option.
        users = [f"--add-scram\n{scram_argument(self._context, user)}" for user in USERS]
        lines = [f"--cluster-id={self.cluster_id()}", f"--config={self._properties}", *users]
        arguments = self._properties.with_name("format.arguments")
        write_private(arguments, "\n".join(lines))
        try:
            argv = self._java("kafka.tools.StorageTool", "format", f"@{arguments}")
            done = run(argv, capture_output=True, text=True, check=False)
        finally:
            arguments.unlink()
        if done.returncode != 0:
            raise PrepareError(f"kafka.tools.StorageTool failed: {done.stdout}{done.stderr}")

    def _java(self, main: str, *arguments: str, heap_mb: int = 256) -> list[str]:
        return kafka_command(self._context, main, *arguments, heap_mb=heap_mb)

    def _server_properties(self) -> dict[str, object]:
        settings = self._context.settings
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{self._controller}",
            "controller.listener.names": "CONTROLLER",
            **(self._secure_listeners() if self._context.secure else self._plain_listeners()),
            "log.dirs": self._data,
            "num.partitions": 3,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 3,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 3,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            # A topic created by accident would have the wrong number of partitions.
            "auto.create.topics.enable": "false",
            **settings.kafka_options,
        }

    def _plain_listeners(self) -> dict[str, object]:
        return {
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{self._controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
        }

    def _secure_listeners(self) -> dict[str, object]:
        """Return TLS with a password for clients, and with a client certificate for the controller."""
        admin = self._context.secrets.kafka_admin_password.get_secret_value()
        return {
            "listeners": f"SASL_SSL://{self.bootstrap},CONTROLLER://{self._controller}",
            "advertised.listeners": f"SASL_SSL://{self.bootstrap}",
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:SSL",
            "inter.broker.listener.name": "SASL_SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._keystore,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self._context.certificates.ca_file,
            "listener.name.controller.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": SCRAM,
            "sasl.mechanism.inter.broker.protocol": SCRAM,
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required "
                f'username="{ADMIN}" password="{admin}";'
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{ADMIN};User:CN={self.name}",
        }

    @property
    def _controller(self) -> str:
        return f"{self._context.settings.host}:{self._context.settings.kafka_controller_port}"

    def _admin(self) -> AdminClient:
        from confluent_kafka.admin import AdminClient

        # While the broker starts, librdkafka would write every refused connection to stderr.
        return AdminClient({**client_properties(self._context, ADMIN), "log_level": 0})

    def _missing(self) -> str | None:
        from confluent_kafka import KafkaException

        try:
            self._admin().list_topics(timeout=2)
        except KafkaException as error:
            return f"no metadata from {self.bootstrap} yet ({error.args[0].str()})"
        return None


def kafka_command(context: StackContext, main: str, *arguments: str, heap_mb: int = 256) -> list[str]:
    """Return the command line of a Kafka program, given its main class. The jars must be prepared."""
    java = provide_java(lambda _: None) / "bin" / "java"
    libs = context.dist / _dist_name() / "libs"
    log4j = f"-Dlog4j2.configurationFile={_SOURCES / 'log4j2.yaml'}"
    return [str(java), f"-Xmx{heap_mb}m", "-XX:+UseG1GC", log4j, "-cp", f"{libs}/*", main, *arguments]


def _dist_name() -> str:
    return f"kafka-{version('kafka')}"
