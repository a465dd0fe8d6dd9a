"""TERM while something does not answer: a job ends all the same."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sequencer.rig import SequencerRig
from tests.support.services import KafkaBroker


@pytest.fixture
def rig(kafka_broker: KafkaBroker, tmp_path: Path) -> SequencerRig:
    rig = SequencerRig(kafka_broker, tmp_path)
    rig.write_source(10)
    return rig


@pytest.fixture
def silence() -> Iterator[socket.socket]:
    """Give something that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(120)
        yield server


def address(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("options", [(), ("--mode", "transactional"), ("--create-topic",)], ids=" ".join)
def test_broker_that_does_not_answer_at_a_start_holds_nothing_up(
    rig: SequencerRig, silence: socket.socket, options: tuple[str, ...]
) -> None:
    rig.environment = {"RETRIES": "1000", "STOPPED_EXIT_CODE": "99", "STOP_WITHIN_S": "60"}
    with rig.start("--bootstrap-servers", address(silence), *options) as process:
        connection, _ = silence.accept()
        with connection:
            process.send_signal(signal.SIGTERM)
            ended = rig.end_of(process)
    assert ended.code == 99, str(ended)
    assert rig.checkpoint() is None


def test_unresponsive_store_does_not_delay_the_end(rig: SequencerRig, silence: socket.socket) -> None:
    """Its own timeouts are longer."""
    rig.source = "s3://bucket/key.csv"
    rig.environment = {
        "S3_ENDPOINT": f"http://{address(silence)}",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "something",
        "RETRIES": "1000",
        "STOP_WITHIN_S": "1",
    }
    with rig.start() as process:
        connection, _ = silence.accept()
        with connection:
            process.send_signal(signal.SIGTERM)
            ended = rig.end_of(process)
    assert ended.code == 75, str(ended)
    assert "did not end within STOP_WITHIN_S" in ended.err
