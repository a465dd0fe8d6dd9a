"""The checks of Kafka, as the uploader and the sequencer reach it from here."""

from __future__ import annotations

import time
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

from contracts.kafka_security import KafkaSecuritySettings
from contracts.number_text import counted
from csvpipe.doctor.certificate import check_certificate
from csvpipe.doctor.finding import Finding, Findings, Verdict
from csvpipe.doctor.variables import ServiceVariables

KAFKA_PORT = 9092
"""Port of a broker whose address has none."""


def check_kafka_of_uploader(variables: ServiceVariables, *, timeout_s: float) -> Findings:
    """Give whether the brokers of KAFKA_BROKER answer and have the topic of the chunks.

    Raises:
        CsvPipeError: they do not answer, or refuse this client.
    """
    if (skipped := _skipped("KAFKA_BROKER", variables.kafka_broker, package="kafka", extra="uploader")) is not None:
        yield skipped
        return
    from kafka import KafkaAdminClient

    from uploader.kafka.client import KAFKA_FAILURES, connect, describe
    from uploader.kafka.security import KafkaSecurity
    from uploader.settings import load_settings

    settings = load_settings(env_file=Path(".env"))
    topic = settings.kafka_topic_ingest
    admin = connect(
        KafkaAdminClient,
        brokers=settings.kafka_brokers,
        security=KafkaSecurity.from_settings(settings),
        deadline=time.monotonic() + timeout_s,
        client_id="csvpipe-doctor",
    )
    with closing(admin):
        yield Finding("brokers", Verdict.OK, f"{settings.kafka_broker} answers")
        yield from _certificates(settings.kafka_broker, settings)
        try:
            [found] = admin.describe_topics([topic])
        except KAFKA_FAILURES as error:
            yield Finding("topic", Verdict.FAILED, f"{topic} cannot be described: {describe(error)}")
            return
        yield _judge_topic(topic, found["error_code"], len(found["partitions"]))


def check_kafka_of_sequencer(variables: ServiceVariables) -> Findings:
    """Give whether the brokers of KAFKA_BOOTSTRAP_SERVERS answer and the partition of KAFKA_TOPIC can be read.

    Raises:
        CsvPipeError: they do not answer, refuse this client, or there is no such partition.
    """
    servers = variables.kafka_bootstrap_servers
    skipped = _skipped("KAFKA_BOOTSTRAP_SERVERS", servers, package="confluent_kafka", extra="sequencer")
    if skipped is not None:
        yield skipped
        return
    if not variables.kafka_topic:
        yield Finding("topic", Verdict.SKIPPED, "KAFKA_TOPIC is not set")
        return
    from sequencer.kafka.client import client_config
    from sequencer.kafka.partition_reader import PartitionReader
    from sequencer.model.partition import PartitionRef
    from sequencer.settings import load_settings

    settings = load_settings()
    partition = PartitionRef(settings.kafka_topic, settings.kafka_partition)
    with closing(PartitionReader(client_config(settings), partition)) as reader:
        low, high = reader.ends()
    yield Finding("brokers", Verdict.OK, f"{servers} answers")
    yield from _certificates(servers, settings)
    yield Finding("topic", Verdict.OK, f"{partition} can be read: offsets {low} to {high}")


def _certificates(servers: str, settings: KafkaSecuritySettings) -> Findings:
    """Give the expiry of each broker's certificate; nothing if the connection is not encrypted."""
    if not settings.kafka_uses_tls:
        return
    for server in filter(None, map(str.strip, servers.split(","))):
        address = server.rpartition("://")[2]
        yield from check_certificate(
            f"https://{address}",
            ca_file=settings.kafka_ca_file,
            ca_setting="KAFKA_CA_FILE",
            default_port=KAFKA_PORT,
        )


def _skipped(name: str, value: str, *, package: str, extra: str) -> Finding | None:
    if not value:
        return Finding("settings", Verdict.SKIPPED, f"{name} is not set")
    if find_spec(package) is None:
        return Finding("package", Verdict.SKIPPED, f"pip install 'csvpipe[{extra}]' makes this check possible")
    return None


def _judge_topic(topic: str, error_code: int, partitions: int) -> Finding:
    from kafka.errors import for_code

    if not error_code:
        return Finding("topic", Verdict.OK, f"{topic} has {counted(partitions, 'partition')}")
    name = for_code(error_code).__name__
    if name == "UnknownTopicOrPartitionError":
        return Finding("topic", Verdict.WARNING, f"{topic} does not exist", "the uploader creates it if it may")
    return Finding("topic", Verdict.FAILED, f"Kafka reports {name} for {topic}", "check the ACLs of the user")
