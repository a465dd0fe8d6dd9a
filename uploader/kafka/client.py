"""Making clients of kafka-python that fail fast and leave nothing behind when they cannot connect."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket

from uploader.errors import PublishError

KAFKA_FAILURES = (KafkaError, OSError, RuntimeError)
"""What kafka-python raises where a broker is away, leaves, or answers badly."""

_Client = TypeVar("_Client")


class _ClosedOnFailure(KafkaNetSocket):  # type: ignore[misc]  # kafka-python is not typed
    """A direct connection whose socket is closed where connecting fails; kafka-python 3.0 leaves that to chance.

    Asked for by ``proxy_url``, which is how kafka-python takes other kinds of sockets.
    """

    SCHEMES = ("direct",)

    async def sock_connect(self, net: Any, sock: socket.socket, sockaddr: Any, timeout_at: float | None = None) -> Any:  # noqa: ANN401  kafka-python is not typed
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise


def connect(make: Callable[..., _Client], *, brokers: Sequence[str], deadline: float, **config: Any) -> _Client:  # noqa: ANN401  kafka-python's options
    """Return ``make(...)``, connected before ``deadline`` (of the monotonic clock).

    Raises:
        PublishError: no broker answered.
    """
    _reach_any(brokers, deadline)
    # A client whose bootstrap fails in its constructor leaves its sockets, and for some its thread, to nobody.
    networks: list[KafkaNetClient] = []

    def network(**options: Any) -> KafkaNetClient:  # noqa: ANN401  kafka-python's options
        networks.append(KafkaNetClient(**options))
        return networks[-1]

    timeout_ms = max(1, int((deadline - time.monotonic()) * 1000))
    try:
        return make(
            bootstrap_servers=list(brokers),
            bootstrap_timeout_ms=timeout_ms,
            proxy_url="direct://",
            kafka_client=network,
            **config,
        )
    except KAFKA_FAILURES as error:
        for client in networks:
            with suppress(*KAFKA_FAILURES):
                client.close()
        raise PublishError(f"Kafka at {', '.join(brokers)} does not answer: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """Return what an error of kafka-python says, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def _reach_any(brokers: Sequence[str], deadline: float) -> None:
    faults = []
    for broker in brokers:
        host, _, port = broker.rpartition(":")
        try:
            timeout_s = max(0.05, deadline - time.monotonic())
            socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s).close()
        except OSError as error:
            faults.append(f"{broker} ({error.strerror or error})")
        else:
            return
    raise PublishError(f"no Kafka broker takes connections: {', '.join(faults)}")
