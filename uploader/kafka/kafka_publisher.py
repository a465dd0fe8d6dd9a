"""Announcing chunks on Kafka: durable, idempotent, keyed by upload. All calls block."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import (
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAlreadyExistsError,
    for_code,
)

from contracts.message import ChunkMessage
from contracts.traceparent import TRACEPARENT
from uploader.errors import PublishError
from uploader.kafka.client import KAFKA_FAILURES, connect, reason
from uploader.kafka.publisher import Outcome

_REQUEST_TIMEOUT_MS = 5_000
_DELIVERY_TIMEOUT_MS = 10_000
_ABANDON_S = 2.0
_Headers = Sequence[tuple[str, bytes]]
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
_log = logging.getLogger(__name__)


class KafkaPublisher:
    """Publishes with kafka-python. It connects when first used, so Kafka may start after the uploader.

    After a failure the connection is given up, and the next call makes a new one: so no message waits in a buffer to
    be sent when the outbox has announced it again already, and no producer lives on in a state that it cannot leave.
    """

    def __init__(self, *, brokers: Sequence[str], topic: str, partitions: int, client_id: str) -> None:
        self._brokers = brokers
        self._topic = topic
        self._partitions = partitions
        self._client_id = client_id
        self._lock = threading.Lock()
        self._producer: KafkaProducer | None = None
        self._admin_lock = threading.Lock()
        self._admin: KafkaAdminClient | None = None
        self._topic_exists = False

    def publish(self, messages: Sequence[ChunkMessage], *, timeout_s: float, traceparent: str | None = None) -> Outcome:
        """Publish ``messages`` in order and wait for the acknowledgements, at most ``timeout_s``."""
        headers = [] if traceparent is None else [(TRACEPARENT, traceparent.encode())]
        deadline = time.monotonic() + timeout_s
        try:
            with _held(self._lock, deadline):
                outcome = self._publish(messages, headers, deadline)
                if outcome.failure is not None:
                    self._abandon_producer()
                return outcome
        except PublishError as error:
            return Outcome(failure=error.detail)

    def check(self, *, timeout_s: float) -> None:
        """Return if Kafka answers and has the topic, which is created where it is missing."""
        deadline = time.monotonic() + timeout_s
        with _held(self._admin_lock, deadline):
            try:
                self._ensure_topic(deadline)
            except BaseException as error:
                self._drop_admin()
                if isinstance(error, KAFKA_FAILURES):
                    raise PublishError(f"Kafka does not answer: {reason(error)}") from error
                raise

    def close(self, *, timeout_s: float) -> None:
        """Send what is buffered and disconnect."""
        with self._admin_lock:
            self._drop_admin()
        with self._lock:
            deadline = time.monotonic() + timeout_s
            if self._producer is not None:
                with suppress(*KAFKA_FAILURES):
                    self._producer.flush(timeout=timeout_s)
            self._abandon_producer(timeout_s=max(0.1, deadline - time.monotonic()))

    def _publish(self, messages: Sequence[ChunkMessage], headers: _Headers, deadline: float) -> Outcome:
        if not self._topic_exists:
            self.check(timeout_s=deadline - time.monotonic())
        outcome = self._send(messages, headers, deadline)
        if not outcome.refused or len(messages) == 1:
            return outcome
        # A broker refuses whole batches, and kafka-python 3.0.12 fails neighbours too: the rest once more, each alone.
        acknowledged, refused = list(outcome.acknowledged), dict[int, str]()
        for message in [message for message in messages if message.chunk_id not in outcome.acknowledged]:
            self._abandon_producer()
            alone = self._send([message], headers, deadline)
            acknowledged += alone.acknowledged
            refused |= alone.refused
            if alone.failure is not None:
                return Outcome(acknowledged=acknowledged, refused=refused, failure=alone.failure)
        return Outcome(acknowledged=acknowledged, refused=refused)

    def _send(self, messages: Sequence[ChunkMessage], headers: _Headers, deadline: float) -> Outcome:
        producer = self._connected(deadline)
        sent: list[tuple[int, Any]] = []
        refused: dict[int, str] = {}
        acknowledged: list[int] = []
        try:
            for message in messages:
                try:
                    key, value = message.upload_id.encode(), message.to_bytes()
                    future = producer.send(self._topic, key=key, value=value, headers=headers)
                except _TOO_LARGE as error:
                    refused[message.chunk_id] = reason(error)
                else:
                    sent.append((message.chunk_id, future))
            for chunk_id, future in sent:
                try:
                    _wait(future, deadline)
                except _TOO_LARGE as error:  # says the broker: its limit, or the topic's, is below the client's
                    refused[chunk_id] = reason(error)
                else:
                    acknowledged.append(chunk_id)
        except KAFKA_FAILURES as error:
            self._topic_exists = False
            acknowledged = [chunk_id for chunk_id, future in sent if future.succeeded()]
            refused |= {chunk_id: reason(f.exception) for chunk_id, f in sent if isinstance(f.exception, _TOO_LARGE)}
            return Outcome(acknowledged=acknowledged, refused=refused, failure=f"Kafka took not all: {reason(error)}")
        return Outcome(acknowledged=acknowledged, refused=refused)

    def _connected(self, deadline: float) -> KafkaProducer:
        if self._producer is None:
            self._producer = connect(
                KafkaProducer,
                brokers=self._brokers,
                deadline=deadline,
                client_id=self._client_id,
                acks="all",
                enable_idempotence=True,
                # Made by check() with the partitions that the settings say, never by a broker's default.
                allow_auto_create_topics=False,
                max_block_ms=_REQUEST_TIMEOUT_MS,
                request_timeout_ms=_REQUEST_TIMEOUT_MS,
                delivery_timeout_ms=_DELIVERY_TIMEOUT_MS,
                linger_ms=0,
            )
        return self._producer

    def _ensure_topic(self, deadline: float) -> None:
        if self._admin is None:
            self._admin = connect(
                KafkaAdminClient,
                brokers=self._brokers,
                deadline=deadline,
                client_id=f"{self._client_id}-admin",
                request_timeout_ms=_REQUEST_TIMEOUT_MS,
            )
        if not self._described():
            self._create_topic(self._admin)
            while not self._described():
                if time.monotonic() > deadline:
                    raise PublishError(f"topic {self._topic} was created and has no leader yet")
                time.sleep(0.1)
        self._topic_exists = True

    def _described(self) -> bool:
        """Return whether the topic exists and can be written to."""
        assert self._admin is not None  # noqa: S101  for the type checker; _ensure_topic made it
        [topic] = self._admin.describe_topics([self._topic])
        fault = for_code(topic["error_code"])
        if fault.__name__ == "UnknownTopicOrPartitionError":
            return False
        if topic["error_code"]:
            raise PublishError(f"Kafka says of topic {self._topic}: {fault.__name__}")
        return all(partition["leader_id"] >= 0 for partition in topic["partitions"])

    def _create_topic(self, admin: KafkaAdminClient) -> None:
        try:
            # -1: as many replicas as the brokers' default says.
            admin.create_topics({self._topic: {"num_partitions": self._partitions, "replication_factor": -1}})
        except TopicAlreadyExistsError:
            return  # another worker was faster
        _log.info("Created topic %s with %d partitions", self._topic, self._partitions)

    def _abandon_producer(self, *, timeout_s: float = _ABANDON_S) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        # close() alone waits for what is buffered, and where that times out leaves the sending thread alive
        # (kafka-python 3.0.12): it would send, when Kafka is back, what the outbox has announced again by then.
        producer._sender.force_close()
        with suppress(*KAFKA_FAILURES):
            producer.close(timeout=timeout_s)

    def _drop_admin(self) -> None:
        admin, self._admin = self._admin, None
        self._topic_exists = False
        if admin is not None:
            with suppress(*KAFKA_FAILURES):
                admin.close()


@contextmanager
def _held(lock: threading.Lock, deadline: float) -> Iterator[None]:
    if not lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
        raise PublishError("Kafka is slow: others have waited for it all the time")
    try:
        yield
    finally:
        lock.release()


def _wait(future: Any, deadline: float) -> None:  # noqa: ANN401  kafka-python is not typed
    remaining_s = deadline - time.monotonic()
    if remaining_s <= 0 and not future.is_done:
        raise KafkaTimeoutError("no acknowledgement in time")
    future.get(timeout=max(0.001, remaining_s))
