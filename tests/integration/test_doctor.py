"""``csvpipe doctor`` against a real Kafka."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from csvpipe.doctor.checkup import run_checks
from csvpipe.doctor.finding import Check, Verdict
from csvpipe.doctor.kafka_check import check_kafka_of_sequencer, check_kafka_of_uploader
from csvpipe.doctor.variables import load_variables
from tests.support.services import KafkaBroker
from tests.support.waiting import wait_until


@pytest.fixture
def topic(kafka_broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.chdir(tmp_path)
    name = f"doctor-{uuid4().hex}"
    monkeypatch.setenv("KAFKA_BROKER", kafka_broker.bootstrap)
    monkeypatch.setenv("KAFKA_TOPIC_INGEST", name)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_broker.bootstrap)
    monkeypatch.setenv("KAFKA_TOPIC", name)
    return name


def verdicts() -> dict[str, dict[str, Verdict]]:
    variables = load_variables()
    checks = [
        Check("uploader", lambda: check_kafka_of_uploader(variables, timeout_s=30)),
        Check("sequencer", lambda: check_kafka_of_sequencer(variables)),
    ]
    return {
        each.service: {finding.subject: finding.verdict for finding in each.findings}
        for each in run_checks(checks, timeout_s=60)
    }


def test_topic_that_is_there_is_found_and_read(kafka_broker: KafkaBroker, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_broker.bootstrap})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(30)

    def is_known() -> bool:
        found = admin.list_topics(topic, timeout=10).topics[topic]
        return found.error is None and len(found.partitions) == 2

    wait_until(is_known, what=f"{topic} is known to the broker", deadline_s=60, poll_s=0.01)
    expected = {"brokers": Verdict.OK, "topic": Verdict.OK}
    assert verdicts() == {"uploader": expected, "sequencer": expected}


def test_missing_topic_is_reported_and_not_created(kafka_broker: KafkaBroker, topic: str) -> None:
    for _ in range(2):
        found = verdicts()
        assert found["uploader"] == {"brokers": Verdict.OK, "topic": Verdict.WARNING}
        assert list(found["sequencer"].values()) == [Verdict.FAILED]
