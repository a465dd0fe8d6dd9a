"""Publishing with kafka-python: durable, idempotent, keyed by upload. ADR 39 has the reasons and the price."""

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
from uploader.kafka.client import KAFKA_FAILURES, connect, describe
from uploader.kafka.publisher import PublishResult
from uploader.kafka.security import KafkaSecurity

_REQUEST_TIMEOUT_MS = 5_000
_DELIVERY_TIMEOUT_MS = 10_000
_ABANDON_S = 2.0
_Headers = Sequence[tuple[str, bytes]]
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
_log = logging.getLogger(__name__)


class KafkaPublisher:
    """Publishes with kafka-python. Connects on first use, so Kafka may start after the uploader. Calls block.

    After a failure it drops the producer, and the next call makes a new one: no message stays in a buffer to be sent
    after the outbox has announced it again, and no producer remains in a state that it cannot leave.
    """

    def __init__(
        self,
        *,
        brokers: Sequence[str],
        topic: str,
        partitions: int,
        client_id: str,
        security: KafkaSecurity = KafkaSecurity(),  # noqa: B008  frozen
    ) -> None:
        self._brokers = brokers
        self._security = security
        self._topic = topic
        self._partitions = partitions
        self._client_id = client_id
        self._lock = threading.Lock()
        self._producer: KafkaProducer | None = None
        self._admin_lock = threading.Lock()
        self._admin: KafkaAdminClient | None = None
        self._topic_exists = False

    def publish(
        self, messages: Sequence[ChunkMessage], *, timeout_s: float, traceparent: str | None = None
    ) -> PublishResult:
        """Publish ``messages`` in order and wait for the acknowledgements, at most ``timeout_s``."""
        headers = [] if traceparent is None else [(TRACEPARENT, traceparent.encode())]
        deadline = time.monotonic() + timeout_s
        try:
            with _locked(self._lock, deadline):
                result = self._publish(messages, headers, deadline)
                if result.failure is not None:
                    self._abandon_producer()
                return result
        except PublishError as error:
            return PublishResult(failure=error.detail)

    def check(self, *, timeout_s: float) -> None:
        """Check that Kafka answers and has the topic, which is created if it is missing."""
        deadline = time.monotonic() + timeout_s
        with _locked(self._admin_lock, deadline):
            try:
                self._ensure_topic(deadline)
            except BaseException as error:
                self._drop_admin()
                if isinstance(error, KAFKA_FAILURES):
                    raise PublishError(f"Kafka does not answer: {describe(error)}") from error
                raise

    def close(self, *, timeout_s: float) -> None:
        """Flush buffered messages and disconnect."""
        with self._admin_lock:
            self._drop_admin()
        with self._lock:
            deadline = time.monotonic() + timeout_s
            if self._producer is not None:
                with suppress(*KAFKA_FAILURES):
                    self._producer.flush(timeout=timeout_s)
            self._abandon_producer(timeout_s=max(0.1, deadline - time.monotonic()))

    def _publish(self, messages: Sequence[ChunkMessage], headers: _Headers, deadline: float) -> PublishResult:
        if not self._topic_exists:
            self.check(timeout_s=deadline - time.monotonic())
        result = self._send(messages, headers, deadline)
        if not result.refused or len(messages) == 1:
            return result
        # A broker refuses whole batches, and kafka-python 3.0.12 fails their other messages too: send each alone.
        acknowledged, refused = list(result.acknowledged), dict[int, str]()
        for message in [message for message in messages if message.chunk_id not in result.acknowledged]:
            self._abandon_producer()
            alone = self._send([message], headers, deadline)
            acknowledged += alone.acknowledged
            refused |= alone.refused
            if alone.failure is not None:
                return PublishResult(acknowledged=acknowledged, refused=refused, failure=alone.failure)
        return PublishResult(acknowledged=acknowledged, refused=refused)

    def _send(self, messages: Sequence[ChunkMessage], headers: _Headers, deadline: float) -> PublishResult:
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
                    refused[message.chunk_id] = describe(error)
                else:
                    sent.append((message.chunk_id, future))
            for chunk_id, future in sent:
                try:
                    _wait(future, deadline)
                except _TOO_LARGE as error:  # the limit of the broker or topic is below the client's
                    refused[chunk_id] = describe(error)
                else:
                    acknowledged.append(chunk_id)
        except KAFKA_FAILURES as error:
            self._topic_exists = False
            acknowledged = [chunk_id for chunk_id, future in sent if future.succeeded()]
            refused |= {chunk_id: describe(f.exception) for chunk_id, f in sent if isinstance(f.exception, _TOO_LARGE)}
            return PublishResult(
                acknowledged=acknowledged,
                refused=refused,
                failure=f"Kafka did not acknowledge every message: {describe(error)}",
            )
        return PublishResult(acknowledged=acknowledged, refused=refused)

    def _connected(self, deadline: float) -> KafkaProducer:
        if self._producer is None:
            self._producer = connect(
                KafkaProducer,
                brokers=self._brokers,
                security=self._security,
                deadline=deadline,
                client_id=self._client_id,
                acks="all",
                enable_idempotence=True,
                # check() creates it with the partitions of the settings, never with a broker's default.
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
                security=self._security,
                deadline=deadline,
                client_id=f"{self._client_id}-admin",
                request_timeout_ms=_REQUEST_TIMEOUT_MS,
            )
        if not self._described():
            self._create_topic(self._admin)
            while not self._described():
                if time.monotonic() > deadline:
                    raise PublishError(f"topic {self._topic} was created but has no leader yet")
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
            raise PublishError(f"Kafka reports {fault.__name__} for topic {self._topic}")
        return all(partition["leader_id"] >= 0 for partition in topic["partitions"])

    def _create_topic(self, admin: KafkaAdminClient) -> None:
        try:
            # -1: the brokers' default replication factor.
            admin.create_topics({self._topic: {"num_partitions": self._partitions, "replication_factor": -1}})
        except TopicAlreadyExistsError:
            return  # another worker was faster
        _log.info("Topic created", extra={"topic": self._topic, "partitions": self._partitions})

    def _abandon_producer(self, *, timeout_s: float = _ABANDON_S) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        # close() alone waits for buffered messages and, after its timeout, leaves the sender thread alive (kafka-python
        # 3.0.12): once Kafka is back it would send messages that the outbox has announced again by then.
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
def _locked(lock: threading.Lock, deadline: float) -> Iterator[None]:
    if not lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
        raise PublishError("timed out waiting for another publish to finish")
    try:
        yield
    finally:
        lock.release()


def _wait(future: Any, deadline: float) -> None:  # noqa: ANN401  kafka-python is not typed
    remaining_s = deadline - time.monotonic()
    if remaining_s <= 0 and not future.is_done:
        raise KafkaTimeoutError("no acknowledgement before the deadline")
    future.get(timeout=max(0.001, remaining_s))
