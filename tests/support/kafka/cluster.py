"""A real Kafka cluster of three nodes, which can be killed or frozen. Its clients connect through slow lines."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
from confluent_kafka.admin import AdminClient

from stack.component import Report, StackContext
from stack.components.kafka import Kafka
from stack.errors import ProcessDiedError
from stack.local import LocalStack
from stack.ports import free_ports
from tests.support.network.line import Line, network_line
from tests.support.services import KafkaBroker, settings_on_free_ports
from tests.support.waiting import wait_until

NODES = 3
CLUSTER_ID = "Y3N2cGlwZS1jaGFvcy0zbg"
_HOST = "127.0.0.1"
_OPTIONS = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    "unclean.leader.election.enable": "false",
    # A third of the defaults: a test is not to wait for what takes half a minute elsewhere.
    "replica.lag.time.max.ms": "5000",
    "broker.session.timeout.ms": "5000",
    "broker.heartbeat.interval.ms": "1000",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,DISTANT:PLAINTEXT",
}


class ClusterNode(Kafka):
    """The stack's Kafka as one of several nodes: of one cluster, and without the pipeline's topics."""

    def cluster_id(self) -> str:
        """Return the id of all."""
        return CLUSTER_ID

    def after_start(self, report: Report) -> None:
        """Create no topics."""


class KafkaCluster(KafkaBroker):
    """The nodes, by their numbers from 1 on.

    Attributes:
        lines: the line of each; what clients are told is its near end.
    """

    replicas = NODES

    def __init__(self, stacks: Sequence[LocalStack], lines: Sequence[Line]) -> None:
        super().__init__(stacks[0], "kafka")
        self.nodes = {number: KafkaBroker(stack, "kafka") for number, stack in enumerate(stacks, start=1)}
        self.lines = lines

    @property
    def bootstrap(self) -> str:
        """Return ``host:port`` of each, past the lines."""
        return ",".join(node.bootstrap for node in self.nodes.values())

    @property
    def distant_bootstrap(self) -> str:
        """Return the near ends of the lines."""
        return ",".join(line.address for line in self.lines)

    def slow_down(self, bytes_per_s: int) -> None:
        """Limit each connection to a number of bytes per second, or remove the limit with 0."""
        for line in self.lines:
            line.slow_down(bytes_per_s)

    def leader_of(self, topic: str) -> int:
        """Return the node that leads partition 0 of a topic, once there is one."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})

        def leader() -> int | None:
            found = admin.list_topics(topic, timeout=60).topics[topic].partitions[0].leader
            return found if found in self.nodes else None

        return wait_until(leader, what=f"a leader of {topic}", deadline_s=60)

    def start_all(self) -> None:
        """Start every node beside the others: none of them is ready before two are."""
        with ThreadPoolExecutor(NODES) as pool:
            for started in [pool.submit(node.start) for node in self.nodes.values()]:
                started.result()

    def kill_all(self) -> None:
        """Kill every node that is not dead already."""
        for node in self.nodes.values():
            with suppress(ProcessDiedError):
                node.kill()

    def freeze(self, number: int) -> None:
        """Freeze a node's process. Its clients are not notified."""
        for pid in self._pids(number):
            os.kill(pid, signal.SIGSTOP)
            frozen = psutil.Process(pid)
            wait_until(lambda: frozen.status() == psutil.STATUS_STOPPED, what="it stands", deadline_s=60, poll_s=0.01)  # noqa: B023  called here

    def thaw(self, number: int) -> None:
        """Continue a frozen node."""
        for pid in self._pids(number):
            os.kill(pid, signal.SIGCONT)

    def _pids(self, number: int) -> list[int]:
        node = self.nodes[number]
        return [process.pid for process in node.stack.processes_of(node.name) if process.pid]


@contextmanager
def kafka_cluster(root: Path) -> Iterator[KafkaCluster]:
    """Run a cluster with its data in ``root`` until the block ends."""
    near, distant, controllers = (free_ports(3 * NODES)[at::3] for at in range(3))
    with ExitStack() as stack:
        lines = [stack.enter_context(network_line(_HOST, port)) for port in distant]
        voters = ",".join(f"{number}@{_HOST}:{port}" for number, port in enumerate(controllers, start=1))
        stacks = []
        for at in range(NODES):
            options = {
                **_OPTIONS,
                "node.id": str(at + 1),
                "controller.quorum.voters": voters,
                "listeners": (
                    f"PLAINTEXT://{_HOST}:{near[at]},CONTROLLER://{_HOST}:{controllers[at]},"
                    f"DISTANT://{_HOST}:{distant[at]}"
                ),
                "advertised.listeners": f"PLAINTEXT://{_HOST}:{near[at]},DISTANT://{lines[at].address}",
            }
            settings = settings_on_free_ports(
                kafka_port=near[at], kafka_controller_port=controllers[at], kafka_options=options
            )
            node = LocalStack(root=root / f"node{at + 1}", settings=settings)
            node.components["kafka"] = ClusterNode(_context(node))
            stack.callback(node.stop)
            stacks.append(node)
        cluster = KafkaCluster(stacks, lines)
        # In order, the last node would wait half a minute for a quorum that is gone.
        stack.callback(cluster.kill_all)
        cluster.start_all()
        yield cluster


def _context(stack: LocalStack) -> StackContext:
    return stack.context
