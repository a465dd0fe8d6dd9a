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

from contracts.errors import SettingsError
from uploader.errors import PublishError
from uploader.kafka.security import KafkaSecurity

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


def connect(
    make: Callable[..., _Client],
    *,
    brokers: Sequence[str],
    security: KafkaSecurity,
    deadline: float,
    **config: Any,  # noqa: ANN401  kafka-python's options
) -> _Client:
    """Return ``make(...)``, connected before ``deadline`` on the monotonic clock.

    Raises:
        PublishError: no broker answered, or the brokers refuse this client; the text names the setting.
    """
    _reach_any(brokers, security, deadline)
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
            **_options(security),
            **config,
        )
    except KAFKA_FAILURES as error:
        for client in networks:
            with suppress(*KAFKA_FAILURES):
                client.close()
        what = security.sign_in or f"Kafka at {', '.join(brokers)} does not answer"
        raise PublishError(f"{what} ({describe(error)})") from error


def describe(error: BaseException) -> str:
    """Return the type and message of an error of kafka-python in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def _options(security: KafkaSecurity) -> dict[str, Any]:
    try:
        return security.options()
    except SettingsError as error:
        raise PublishError(error.detail) from error


def _reach_any(brokers: Sequence[str], security: KafkaSecurity, deadline: float) -> None:
    faults: list[str] = []
    for broker in brokers:
        host, _, port = broker.rpartition(":")
        try:
            timeout_s = max(0.05, deadline - time.monotonic())
            security.reach(host.strip("[]"), int(port), timeout_s=timeout_s)
        except PublishError as error:
            faults.append(error.detail)
        except OSError as error:
            faults.append(f"{broker} ({error.strerror or error})")
        else:
            return
    raise PublishError(f"no Kafka broker accepts connections: {'; '.join(faults)}")
