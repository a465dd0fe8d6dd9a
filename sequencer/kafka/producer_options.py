"""How records are produced: the properties that are the same for records and dead letters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sequencer.kafka.client import ClientConfig
from sequencer.settings import JobSettings

MAX_UNACKNOWLEDGED_RECORDS = 200_000
MAX_UNACKNOWLEDGED_BYTES = 16 * 1024 * 1024
_LINGER_MS = 1000
"""How long a request waits for more records; records that something waits for are flushed. While the records in its
queue are older than this and a request is in flight, librdkafka's broker thread polls the kernel 100,000 times a
second: a sixth of the throughput on two cores. So it is longer than a record is queued, unless the network is slow."""
_LEVELS = {"gzip": 3}
"""The client's zlib is slow: level 3 is twice as fast as its default, for a quarter more bytes."""


@dataclass(frozen=True, kw_only=True)
class ProducerOptions:
    """Options of a producer.

    Attributes:
        client: connection properties; they take precedence, except over what the order of the records depends on.
        compression: ``compression.type``.
        compression_level: ``compression.level``, or None for a default that suits the type.
        delivery_timeout_s: how long a record may stay unacknowledged; well below ``expiry_s``.
        expiry_s: age at which the client drops a record that was not sent.
        library: path of the librdkafka to send with; empty for the one that ``confluent_kafka`` ships.
        transactional_id: ``transactional.id``, or None to send outside of transactions.
        max_batch_bytes: ``max.message.bytes`` of the topic, or None if unknown.
    """

    client: ClientConfig = field(default_factory=dict)
    compression: str
    compression_level: int | None = None
    delivery_timeout_s: float = 60.0
    expiry_s: float = 90.0
    library: str = ""
    transactional_id: str | None = None
    max_batch_bytes: int | None = None

    @classmethod
    def of(cls, settings: JobSettings, client: ClientConfig) -> ProducerOptions:
        """Return the options that the settings of a job ask for."""
        return cls(
            client=client,
            compression=settings.compression,
            compression_level=settings.compression_level,
            delivery_timeout_s=settings.delivery_timeout_s,
            expiry_s=settings.expiry_s,
            library=settings.librdkafka,
        )

    def config(self) -> ClientConfig:
        """Return librdkafka's configuration of the producer."""
        default_level = _LEVELS.get(self.compression, -1)
        config: dict[str, Any] = {
            "linger.ms": _LINGER_MS,
            "batch.size": 1_000_000,
            "batch.num.messages": 100_000,
            "queue.buffering.max.messages": 10 * MAX_UNACKNOWLEDGED_RECORDS,
            "queue.buffering.max.kbytes": 4 * MAX_UNACKNOWLEDGED_BYTES // 1024,
            "statistics.interval.ms": 5000,
            "compression.type": self.compression,
            "compression.level": default_level if self.compression_level is None else self.compression_level,
            **self.client,
            "delivery.timeout.ms": round(self.expiry_s * 1000),
            "acks": "all",
            "enable.idempotence": True,
            "enable.gapless.guarantee": True,
        }
        if self.max_batch_bytes is not None:
            config["batch.size"] = min(int(config["batch.size"]), self.max_batch_bytes)
        if self.transactional_id is not None:
            config |= {
                "transactional.id": self.transactional_id,
                "transaction.timeout.ms": config["delivery.timeout.ms"],
            }
        return config
