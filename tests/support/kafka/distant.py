"""A real Kafka whose clients connect through a line that can be cut. Tests can bypass the line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.ports import free_ports
from tests.support.network.line import Line, network_line
from tests.support.services import KafkaBroker, running_stack

_HOST = "127.0.0.1"


class DistantKafka(KafkaBroker):
    """A broker with a second listener, which tells its clients the near end of ``line`` as its address."""

    line: Line


@contextmanager
def distant_kafka(root: Path) -> Iterator[DistantKafka]:
    """Run one with its data in ``root`` until the block ends."""
    near, far, controller = free_ports(3)
    with network_line(_HOST, far) as line:
        options = {
            "listeners": f"PLAINTEXT://{_HOST}:{near},CONTROLLER://{_HOST}:{controller},DISTANT://{_HOST}:{far}",
            "advertised.listeners": f"PLAINTEXT://{_HOST}:{near},DISTANT://{line.address}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,DISTANT:PLAINTEXT",
        }
        with running_stack(
            root, ["kafka"], kafka_port=near, kafka_controller_port=controller, kafka_options=options
        ) as stack:
            broker = DistantKafka(stack, "kafka")
            broker.line = line
            yield broker
