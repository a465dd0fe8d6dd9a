"""What librdkafka answers is read right, with the version that is installed; its own mock broker answers."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, libversion

from sequencer.kafka.batch_producer import BatchProducer
from sequencer.kafka.native import NativeMessage, load_library, text_of
from sequencer.model.partition import PartitionRef
from sequencer.model.records import Records
from tests.support.waiting import wait_until

INVALID, ANOTHER_INVALID = KafkaError.INVALID_RECORD, KafkaError._INVALID_DIFFERENT_RECORD


class ListeningProducer(BatchProducer):
    """Keeps the messages as they come back, before anything is made of them."""

    came: list[tuple[int, int, int, int, bytes]]

    def _serve_delivery(self, event: int) -> None:
        count = self._rd.event_message_count(event)
        messages = (ctypes.POINTER(NativeMessage) * count)()
        got = self._rd.event_message_array(event, messages, count)
        for at in range(got):
            message = messages[at].contents
            value = ctypes.string_at(message.payload, message.size)
            self.came.append((message.err, message.partition, message.offset, message.key_size, value))


@pytest.fixture
def producer() -> Iterator[ListeningProducer]:
    producer = ListeningProducer(
        {"test.mock.num.brokers": 1, "bootstrap.servers": "replaced by the mock"},
        PartitionRef("t", 2),
        on_delivered=lambda *_: None,
        on_error=lambda _: None,
        on_statistics=lambda _: None,
    )
    producer.came = []
    yield producer
    producer.close()


def test_library_is_the_one_of_the_wheel_unless_another_is_named() -> None:
    assert load_library().version() == libversion()[1]
    assert text_of(load_library().err2str(INVALID)) != ""


def test_fields_of_a_message_lie_where_this_version_puts_them(producer: ListeningProducer) -> None:
    values = [b"a", b"", "größe".encode(), b"x" * 5000]
    for _ in range(2):
        producer.produce(Records.from_values(values))
    producer.flush_soon()

    def all_came() -> bool:
        producer.poll(0.1)
        return len(producer.came) == 2 * len(values)

    wait_until(all_came, what="Kafka answers", deadline_s=60)
    assert producer.came == [(0, 2, offset, 0, value) for offset, value in enumerate(2 * values)]


@pytest.mark.parametrize(
    ("codes", "cause"),
    [
        ([ANOTHER_INVALID, INVALID, ANOTHER_INVALID], INVALID),
        ([INVALID], INVALID),
        ([ANOTHER_INVALID, ANOTHER_INVALID], ANOTHER_INVALID),
        ([KafkaError._PURGE_QUEUE, KafkaError._PURGE_QUEUE], KafkaError._PURGE_QUEUE),
    ],
)
def test_cause_of_a_refused_request_is_that_of_the_record_at_fault(codes: list[int], cause: int) -> None:
    messages = (ctypes.POINTER(NativeMessage) * len(codes))()
    for at, code in enumerate(codes):
        messages[at] = ctypes.pointer(NativeMessage(err=code))
    assert BatchProducer._cause(messages, len(codes)) == cause
