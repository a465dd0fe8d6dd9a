"""The uploader and the DAGs on a real broker with TLS, SASL/SCRAM and tokens; each fault names the setting."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from dags.modules.errors import ConfigurationError
from dags.modules.kafka_listener import commit_offsets, drain
from tests.support.kafka.secure import FAKE_SIGNER, LISTENERS, PASSWORD, SecureBroker
from tests.support.kafka.topics import read_topic
from tests.support.network.certificates import CertificateAuthority
from tests.support.signatures import fake_sign
from tests.support.uploader.patient_publisher import PATIENCE_S, wait_longer
from tests.support.uploader.server import running_uploader
from tests.support.uploader.uploads import SettableClock, upload_records
from tests.support.waiting import wait_until
from uploader.domain.messages import build_message
from uploader.errors import PublishError
from uploader.kafka.kafka_publisher import KafkaPublisher
from uploader.kafka.security import KafkaSecurity
from uploader.settings import load_settings


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    wait_longer(monkeypatch)


@pytest.fixture
def ca_file(broker_authority: CertificateAuthority, tmp_path: Path) -> str:
    return broker_authority.write_certificate(tmp_path / "ca.pem")


@contextmanager
def publishing(topic: str, address: str, **given: str) -> Iterator[KafkaPublisher]:
    """Give a publisher with these settings, as the uploader makes it."""
    defaults: dict[str, Any] = {"kafka_broker": address, "kafka_username": "writer", "kafka_password": PASSWORD}
    settings = load_settings(**{**defaults, **given})
    security = KafkaSecurity.from_settings(settings)
    publisher = KafkaPublisher(
        brokers=settings.kafka_brokers, topic=topic, partitions=1, client_id="test", security=security
    )
    yield publisher
    publisher.close(timeout_s=5)


@pytest.mark.parametrize("way", ["tls", "scram", pytest.param("iam", id="tokens of a fake signer")])
def test_messages_are_announced(
    secure_broker: SecureBroker, ca_file: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(FAKE_SIGNER))
    monkeypatch.delitem(sys.modules, "aws_msk_iam_sasl_signer", raising=False)
    topic, clock = f"test-{uuid.uuid4().hex}", SettableClock()
    upload, chunks = upload_records(at=clock.now, chunks=3)
    messages = [
        build_message(upload, chunk, base_url="https://uploader:8000", published_at=clock.now, sign=fake_sign)
        for chunk in chunks
    ]
    address = secure_broker.listener(LISTENERS[way])
    with publishing(topic, address, kafka_security=way, kafka_ca_file=ca_file) as publisher:
        publisher.check(timeout_s=PATIENCE_S)
        result = publisher.publish(messages, timeout_s=PATIENCE_S)
    assert result.failure is None
    assert [len(found) for found in read_topic(secure_broker, topic).values()] == [3]


@pytest.mark.parametrize(
    ("listener", "given", "setting"),
    [
        ("TLS", {"kafka_ca_file": "other"}, "KAFKA_CA_FILE: .*not trusted"),
        ("TLS", {"kafka_ca_file": ""}, "KAFKA_CA_FILE: .*not trusted"),
        ("EXPIRED", {}, "KAFKA_BROKER: .*has expired"),
        ("OTHER_NAME", {}, "KAFKA_BROKER: .*another name"),
        ("SCRAM", {"kafka_security": "scram", "kafka_password": "wrong"}, "KAFKA_USERNAME and KAFKA_PASSWORD"),
        ("PLAINTEXT", {}, "KAFKA_BROKER: no TLS connection"),
    ],
    ids=["other authority", "authority of the system", "expired", "other name", "wrong password", "no TLS"],
)
def test_fault_names_the_setting(
    secure_broker: SecureBroker, ca_file: str, tmp_path: Path, listener: str, given: dict[str, str], setting: str
) -> None:
    if given.get("kafka_ca_file") == "other":
        given = {**given, "kafka_ca_file": CertificateAuthority("another").write_certificate(tmp_path / "other.pem")}
    address = secure_broker.bootstrap if listener == "PLAINTEXT" else secure_broker.listener(listener)
    settings = {"kafka_security": "tls", "kafka_ca_file": ca_file, **given}
    with publishing("test", address, **settings) as publisher, pytest.raises(PublishError, match=setting) as caught:
        publisher.check(timeout_s=30)  # with a wrong password all of it passes
    assert "wrong" not in caught.value.detail


def test_ready_tells_the_fault_and_uploads_wait(secure_broker: SecureBroker, ca_file: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "kafka_broker": secure_broker.listener("SCRAM"),
        "kafka_security": "scram",
        "kafka_username": "writer",
        "kafka_password": "wrong",
        "kafka_ca_file": ca_file,
    }
    with (
        running_uploader(tmp_path / "chunks", real_kafka=True, **settings) as server,
        httpx.Client(base_url=server.base_url, timeout=60) as client,
    ):

        def why() -> str:
            return str(client.get("/ready").json()["kafka"]["why"])

        wait_until(lambda: "KAFKA_PASSWORD" in why(), what="/ready names the setting", deadline_s=120)
        answer = client.post("/upload/csv", params={"dataset_name": "people"}, files={"file": b"a\n1\n"})
    assert (answer.status_code, answer.json()["status"]) == (202, "awaiting_kafka")


@pytest.mark.parametrize(
    ("listener", "given", "properties"),
    [
        ("TLS", {"ssl.ca.location": "other"}, "ssl.ca.location"),
        ("EXPIRED", {}, "has expired"),
        ("OTHER_NAME", {}, "bootstrap.servers"),
        ("SCRAM", {"sasl.password": "wrong", "security.protocol": "SASL_SSL"}, "sasl.password"),
        ("TLS", {"ssl.ca.locations": "x"}, "ssl.ca.locations"),
    ],
    ids=["other authority", "expired", "other name", "wrong password", "unknown property"],
)
def test_fault_of_the_dags_names_the_airflow_connection_and_the_property(
    secure_broker: SecureBroker, ca_file: str, tmp_path: Path, listener: str, given: dict[str, str], properties: str
) -> None:
    config = {**dag_config(secure_broker.listener(listener), ca_file), **given}
    if config["ssl.ca.location"] == "other":
        config["ssl.ca.location"] = CertificateAuthority("another").write_certificate(tmp_path / "other.pem")
    with pytest.raises(ConfigurationError, match=f"connection kafka_csv_ingestion: .*{properties}") as caught:
        drain(config, "test", max_messages=1, max_bytes=1)
    assert "wrong" not in caught.value.detail


def test_dags_read_and_commit_over_tls(secure_broker: SecureBroker, ca_file: str) -> None:
    topic, clock = f"test-{uuid.uuid4().hex}", SettableClock()
    upload, chunks = upload_records(at=clock.now, chunks=1)
    message = build_message(upload, chunks[0], base_url="https://uploader:8000", published_at=clock.now, sign=fake_sign)
    address = secure_broker.listener("SCRAM")
    with publishing(topic, address, kafka_security="scram", kafka_ca_file=ca_file) as publisher:
        assert publisher.publish([message], timeout_s=PATIENCE_S).failure is None
    # The broker's rule for groups: the listeners without a user may do everything, so reading is by TLS alone.
    config = dag_config(secure_broker.listener("TLS"), ca_file)
    [record] = drain(config, topic, max_messages=1, max_bytes=1)
    assert record.key == upload.upload_id.encode()
    assert commit_offsets(config, topic, {0: 1}) == {0: 1}
    assert drain(config, topic, max_messages=1, max_bytes=1) == []


def dag_config(address: str, ca_file: str) -> dict[str, Any]:
    """Return the extra of the Airflow connection, for TLS; a user's name and password are there for SASL."""
    return {
        "bootstrap.servers": address,
        "group.id": uuid.uuid4().hex,
        "auto.offset.reset": "earliest",
        "security.protocol": "SSL",
        "ssl.ca.location": ca_file,
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "writer",
        "sasl.password": PASSWORD,
    }
