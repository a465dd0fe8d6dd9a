"""The binding to librdkafka without a broker: configuration, errors, tokens, and the end of its threads."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException

from contracts.errors import SettingsError
from sequencer.kafka.batch_producer import BatchProducer
from sequencer.kafka.native import load_library
from sequencer.kafka.producer_options import ProducerOptions
from sequencer.kafka.sender import Sender
from sequencer.model.partition import PartitionRef
from sequencer.model.records import Records
from tests.support.waiting import wait_until

NOBODY = {"bootstrap.servers": "127.0.0.1:1", "socket.connection.setup.timeout.ms": 1000}


class Events:
    """Collects what a producer reports."""

    def __init__(self, *, library: str = "") -> None:
        self.library = library
        self.delivered: list[tuple[KafkaError | None, int, int]] = []
        self.errors: list[KafkaError] = []
        self.statistics: list[str] = []

    def producer(self, **config: object) -> BatchProducer:
        return BatchProducer(
            {**NOBODY, **config},
            PartitionRef("t"),
            library=self.library,
            on_delivered=lambda *what: self.delivered.append(what),
            on_error=self.errors.append,
            on_statistics=self.statistics.append,
        )


def librdkafka_threads() -> int:
    names = [path.read_text(encoding="utf-8") for path in Path("/proc/self/task").glob("*/comm")]
    return sum(name.startswith("rdk:") for name in names)


@pytest.mark.parametrize("library", [""])
def test_purged_records_are_reported_as_failed(library: str) -> None:
    events = Events(library=library)
    producer = events.producer()
    producer.produce(Records.from_values([b"a", b"bb", b""]))
    producer.purge()

    def all_reported() -> bool:
        producer.poll(0.1)
        return sum(count for _, count, _ in events.delivered) == 3

    wait_until(all_reported, what="the purge is reported", deadline_s=30)
    assert {error.code() for error, _, _ in events.delivered if error} == {KafkaError._PURGE_QUEUE}
    producer.close()


def test_missing_broker_is_reported_and_not_fatal() -> None:
    events = Events()
    producer = events.producer(**{"statistics.interval.ms": 50})

    def heard() -> bool:
        producer.poll(0.1)
        return bool(events.errors and events.statistics)

    wait_until(heard, what="errors and statistics come", deadline_s=30)
    assert not any(error.fatal() for error in events.errors)
    producer.close()
    producer.poll(0)
    producer.close()  # twice is no fault


def test_closing_ends_the_threads_of_the_client() -> None:
    before = librdkafka_threads()
    producer = Events().producer()
    assert librdkafka_threads() > before
    producer.close()
    wait_until(lambda: librdkafka_threads() <= before, what="they are gone", deadline_s=30)


def test_record_that_is_too_long_is_refused_with_its_reason() -> None:
    producer = Events().producer(**{"message.max.bytes": 2000})
    with pytest.raises(KafkaException, match="Message size too large"):
        producer.produce(Records.from_values([b"fits", b"x" * 3000]))
    producer.close()


@pytest.mark.parametrize(
    ("option", "text"),
    [({"no.such.option": "1"}, r"no\.such\.option"), ({"batch.size": "large"}, r"batch\.size"), ({"acks": 0}, "acks")],
)
def test_option_that_is_not_valid_is_named(option: dict[str, object], text: str) -> None:
    config = {**NOBODY, "enable.idempotence": True, **option}
    with pytest.raises(KafkaException, match=text):
        Events().producer(**config)


def test_option_that_is_not_valid_is_a_wrong_setting_of_the_job() -> None:
    options = ProducerOptions(client={**NOBODY, "no.such": "1"}, compression="lz4", expiry_s=60)
    with pytest.raises(SettingsError, match=r"no\.such.*KAFKA_OPTIONS"):
        Sender(options, PartitionRef("t"), next_offset=0, on_acknowledged=lambda _: None)


def test_gzip_is_compressed_a_little_less_unless_a_level_is_asked_for() -> None:
    levels = [
        ProducerOptions(compression=compression, compression_level=level).config()["compression.level"]
        for compression, level in [("gzip", None), ("gzip", 9), ("zstd", None), ("zstd", 1)]
    ]
    assert levels == [3, 9, -1, 1]


def test_token_is_asked_for_before_anything_is_polled() -> None:
    asked = threading.Event()

    def fake_token(_config: str) -> tuple[str, float]:
        asked.set()
        return "fake token", 4e9

    producer = Events().producer(
        **{"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER", "oauth_cb": fake_token}
    )
    assert asked.wait(30)
    producer.close()


def test_missing_token_is_an_error_and_not_a_crash(caplog: pytest.LogCaptureFixture) -> None:
    def no_token(_config: str) -> tuple[str, float]:
        raise RuntimeError("no role on this machine")

    events = Events()
    producer = events.producer(
        **{"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER", "oauth_cb": no_token}
    )

    def heard() -> bool:
        producer.poll(0.1)
        return any("no role on this machine" in error.str() for error in events.errors)

    wait_until(heard, what="the reason is reported", deadline_s=30)
    assert any(record.exc_info for record in caplog.records)
    producer.close()


@pytest.mark.parametrize("path", ["/no/such/librdkafka.so.1", "libc.so.6"])
def test_invalid_library_is_an_invalid_setting(path: str) -> None:
    with pytest.raises(SettingsError, match=f"LIBRDKAFKA: {path}"):
        load_library(path)


def test_library_may_be_given_by_its_path() -> None:
    bundled = next(
        line.split()[-1]
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        if "librdkafka" in line
    )
    test_purged_records_are_reported_as_failed(bundled)
