"""The exporters of the local stack, and a job of the sequencer: what rules and dashboards ask of them is there."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from sequencer.metrics.prometheus import JobCollector, serving_metrics
from sequencer.model.progress import Progress
from stack.kafka_exporter import KafkaCollector
from stack.local import LocalStack
from tests.support.monitoring.metrics import Samples, fetch_metrics, metric_names, parse_metrics
from tests.support.monitoring.rules import expressions, metrics_of
from tests.support.monitoring.scraping import addresses
from tests.support.services import KafkaBroker, running_stack
from tests.support.waiting import wait_until

TOPIC = "csv-ingestion"
SEQUENCER = "csvpipe_sequencer_"


@pytest.fixture(scope="module")
def exporters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Give both exporters, without a Kafka and without an Airflow."""
    with running_stack(tmp_path_factory.mktemp("exporters"), ["monitoring"]) as stack:
        yield stack


def scrape(url: str) -> Samples:
    return parse_metrics(fetch_metrics(url))


def scrape_when_kafka_answers(url: str) -> Samples:
    """Return the metrics of a Kafka that has answered the exporter, which waits for 5 s only."""

    def answered() -> Samples | None:
        found = scrape(url)
        return found if found["kafka_brokers",] else None

    return wait_until(answered, what="Kafka has answered the exporter", deadline_s=120)


def test_what_airflow_sends_gets_the_names_and_labels_that_rules_ask_for(exporters: LocalStack) -> None:
    settings = exporters.context.settings
    sent = [
        "airflow.scheduler_heartbeat:1|c",
        "airflow.ti_failures,dag_id=csv-chunk-ingestion,task_id=relay:1|c",
        "airflow.ti.finish,dag_id=csv-chunk-ingestion,task_id=relay,state=failed:1|c",
        "airflow.dagrun.duration.success,dag_id=csv-chunk-ingestion:2500|ms",
        "airflow.pool.open_slots,pool_name=nifi_monitoring:128|g",
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for line in sent:
            client.sendto(line.encode(), (settings.host, settings.statsd_port))
    url = addresses(exporters)["airflow"]
    last = ("airflow_pool_open_slots", "nifi_monitoring")
    wait_until(lambda: last in scrape(url), what="the last line has been read", deadline_s=120)
    found = scrape(url)
    assert found["airflow_scheduler_heartbeat_total",] == 1
    assert found["airflow_task_failures_total", "csv-chunk-ingestion", "relay"] == 1
    assert found["airflow_task_finished_total", "csv-chunk-ingestion", "failed", "relay"] == 1
    assert found["airflow_dagrun_success_duration_seconds_sum", "csv-chunk-ingestion"] == 2.5
    assert found[last] == 128


def test_unavailable_kafka_is_exposed_as_zero_brokers(exporters: LocalStack) -> None:
    found = scrape(addresses(exporters)["kafka"])
    assert {key: value for key, value in found.items() if key[0].startswith("kafka_")} == {("kafka_brokers",): 0}


def test_lag_and_members_of_a_group_are_those_of_kafka(kafka_broker: KafkaBroker) -> None:
    group, place = uuid.uuid4().hex, TopicPartition(TOPIC, 0)
    producer = Producer({"bootstrap.servers": kafka_broker.bootstrap})
    for _ in range(5):
        producer.produce(TOPIC, b"x", partition=0)
    assert producer.flush(30) == 0
    consumer = Consumer({"bootstrap.servers": kafka_broker.bootstrap, "group.id": group})
    with serving_metrics(
        KafkaCollector({"bootstrap.servers": kafka_broker.bootstrap}), address="127.0.0.1", port=0
    ) as port:
        url = f"http://127.0.0.1:{port}/metrics"
        _, end = consumer.get_watermark_offsets(place, timeout=60)
        consumer.commit(offsets=[TopicPartition(TOPIC, 0, end - 3)], asynchronous=False)
        found = scrape_when_kafka_answers(url)
        assert found["kafka_brokers",] == 1
        assert found["kafka_topic_partition_current_offset", "0", TOPIC] == end
        assert found["kafka_consumergroup_current_offset", group, "0", TOPIC] == end - 3
        assert found["kafka_consumergroup_lag", group, "0", TOPIC] == 3
        assert found["kafka_consumergroup_members", group] == 0
        consumer.subscribe([TOPIC])

        def is_member() -> bool:
            consumer.poll(0.1)
            return scrape_when_kafka_answers(url)["kafka_consumergroup_members", group] == 1

        wait_until(is_member, what="the consumer has joined its group", deadline_s=120)
    consumer.close()


def test_kafka_that_comes_back_is_seen_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    def brokers(url: str) -> float:
        return scrape(url)["kafka_brokers",]

    with running_stack(tmp_path_factory.mktemp("restarted"), ["kafka", "monitoring"]) as stack:
        url = addresses(stack)["kafka"]
        wait_until(lambda: brokers(url) == 1, what="the broker is seen", deadline_s=120)
        stack.stop(["kafka"])
        assert brokers(url) == 0
        stack.start(["kafka"])
        wait_until(lambda: brokers(url) == 1, what="the broker is seen again", deadline_s=120)


def test_job_of_the_sequencer_shows_every_metric_that_is_asked_for() -> None:
    asked = {name for _, expression in expressions() for name in metrics_of(expression) if name.startswith(SEQUENCER)}
    progress = Progress(total_bytes=100, bytes_read=50, checkpoint_at=time.time(), started_at=time.time() - 1)
    progress.statistics = {"msg_cnt": 1, "brokers": {"1": {"rtt": {"avg": 1000}}}}
    collector = JobCollector(cost_per_hour=1.0)
    collector.add("orders", progress)
    with serving_metrics(collector, port=0, address="127.0.0.1") as port:
        there = metric_names(fetch_metrics(f"http://127.0.0.1:{port}/metrics"))
    assert asked
    assert asked <= there


def test_configuration_of_a_stack_names_its_own_ports(exporters: LocalStack) -> None:
    settings = exporters.context.settings
    assert addresses(exporters) == {
        "uploader": f"http://{settings.host}:{settings.uploader_port}/metrics",
        "nifi": f"http://{settings.host}:{settings.nifi_port}/nifi-api/flow/metrics/prometheus",
        "minio": f"http://{settings.host}:{settings.minio_port}/minio/v2/metrics/cluster",
        "airflow": f"http://{settings.host}:{settings.statsd_exporter_port}/metrics",
        "kafka": f"http://{settings.host}:{settings.kafka_exporter_port}/metrics",
    }
