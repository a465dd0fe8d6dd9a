"""A sender without a broker queues little, waits, and fails with nothing left to send."""

from __future__ import annotations

import time
from contextlib import closing
from types import SimpleNamespace

import pytest

from contracts.errors import TemporaryFailureError
from sequencer.kafka.producer_options import ProducerOptions
from sequencer.kafka.sender import BATCH_BYTES, FIRST_WINDOW_BYTES, Sender
from sequencer.model.partition import PartitionRef
from sequencer.model.records import Records

NOBODY: dict[str, object] = {"bootstrap.servers": "127.0.0.1:1", "socket.connection.setup.timeout.ms": 1000}


def sender(*, delivery_timeout_s: float) -> Sender:
    return Sender(
        ProducerOptions(client=NOBODY, compression="lz4", delivery_timeout_s=delivery_timeout_s, expiry_s=60),
        PartitionRef("t"),
        next_offset=0,
        on_acknowledged=lambda _: None,
    )


def test_as_long_as_nothing_is_acknowledged_only_a_first_window_is_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes while the sender waits, and only then: the window has to be full before the first row is too old."""
    now = [0.0]
    monkeypatch.setattr("sequencer.kafka.sender.time", SimpleNamespace(monotonic=lambda: now[0], time=time.time))
    sending = sender(delivery_timeout_s=1.0)
    sent: list[int] = []

    def wait(timeout_s: float) -> None:
        now[0] += timeout_s

    monkeypatch.setattr(sending.producer, "poll", wait)

    def send_for_ever() -> None:
        while True:
            batch = Records.from_values([b"x" * 1000] * 100)
            sending.wait_for_capacity(batch)
            sending.send(batch, last_line=100 * len(sent) + 100, place=None)
            sent.append(100_000)

    with closing(sending), pytest.raises(TemporaryFailureError, match="row 100 within 1 s"):
        send_for_ever()
    assert sum(sent) <= FIRST_WINDOW_BYTES < sum(sent) + 100_000


def test_batch_fits_a_request_and_twice_the_first_window() -> None:
    """Else the rest of each batch lingers for a second before the next one has room: 2 MB/s, whatever the broker."""
    config = ProducerOptions(client=NOBODY, compression="lz4").config()
    assert config["batch.size"] > BATCH_BYTES
    assert 2 * BATCH_BYTES <= FIRST_WINDOW_BYTES


def test_failed_sender_accepts_nothing_more() -> None:
    sending = sender(delivery_timeout_s=60)
    sending.send(Records.from_values([b"x"]), last_line=1, place=None)
    sending.close()
    with pytest.raises(TemporaryFailureError):
        sending.send(Records.from_values([b"y"]), last_line=2, place=None)


def test_options_that_the_order_depends_on_cannot_be_overridden() -> None:
    given = {**NOBODY, "acks": 1, "enable.idempotence": False, "enable.gapless.guarantee": False, "linger.ms": 7}
    config = ProducerOptions(client=given, compression="zstd", expiry_s=90).config()
    assert (config["acks"], config["enable.idempotence"], config["enable.gapless.guarantee"]) == ("all", True, True)
    assert (config["linger.ms"], config["delivery.timeout.ms"]) == (7, 90_000)
