"""A producer besides that of a job."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Producer

from tests.support.services import KafkaBroker


@contextmanager
def another_producer_writing(broker: KafkaBroker, topic: str) -> Iterator[None]:
    """Let another producer write to partition 0 continuously; returns after its first record."""
    begun, stop = threading.Event(), threading.Event()

    def write() -> None:
        other = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 5})
        while not stop.is_set():
            other.produce(topic, b"from another producer", partition=0, on_delivery=lambda *_: begun.set())
            other.poll(0.001)
        other.flush(30)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert begun.wait(60)
        yield
    finally:
        stop.set()
        thread.join()
