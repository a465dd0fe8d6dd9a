"""Construction of kafka-python clients that fail fast and leak nothing if they cannot connect."""

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
"""Exceptions of kafka-python if a broker is unavailable, disconnects, or answers badly."""

_Client = TypeVar("_Client")


class _ClosedOnFailure(KafkaNetSocket):  # type: ignore[misc]  # kafka-python is not typed
    """A direct connection that closes its socket if connecting fails; kafka-python 3.0 leaves that to the collector.

    ``proxy_url`` selects it: that is kafka-python's way to choose another kind of socket.
    """

    SCHEMES = ("direct",)

    async def sock_connect(self, net: Any, sock: socket.socket, sockaddr: Any, timeout_at: float | None = None) -> Any:  # noqa: ANN401  kafka-python is not typed
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise


def connect(make: Callable[..., _Client], *, brokers: Sequence[str], deadline: float, **config: Any) -> _Client:  # noqa: ANN401  kafka-python's options
    """Return ``make(...)``, connected before ``deadline`` on the monotonic clock.

    Raises:
        PublishError: no broker answered.
    """
    _reach_any(brokers, deadline)
    # If its bootstrap fails in the constructor, a client leaks its sockets, and some leak a thread.
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
        raise PublishError(f"Kafka at {', '.join(brokers)} does not answer: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """Return the type and message of an error of kafka-python in one line."""
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
    raise PublishError(f"no Kafka broker accepts connections: {', '.join(faults)}")
