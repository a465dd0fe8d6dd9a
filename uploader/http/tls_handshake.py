"""The start of a connection with TLS: from its first byte to the end of the handshake.

uvicorn and asyncio offer TLS for a whole server, and tell the protocol of a connection only after its handshake: silent
connections are then neither counted nor closed in time. Here the connection is one of the protocol's from the start.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Protocol

from uploader.http.http_limits import HttpLimits

_HANDSHAKE_RECORD = b"\x16"
"""First byte of a TLS connection (RFC 8446, 5.1)."""
_log = logging.getLogger(__name__)


class SecuredConnection(Protocol):
    """The protocol that continues after the handshake."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Continue with the encrypted transport."""

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""

    def eof_received(self) -> bool | None:
        """See :class:`asyncio.Protocol`."""

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.BaseProtocol`."""

    def refuse_without_tls(self) -> None:
        """Refuse a client that does not speak TLS."""


class TlsHandshake(asyncio.Protocol):
    """Replaces ``http`` as the protocol of ``transport`` until the handshake is complete."""

    def __init__(
        self,
        *,
        http: SecuredConnection,
        transport: asyncio.Transport,
        context: Callable[[], ssl.SSLContext],
        limits: HttpLimits,
    ) -> None:
        self._http = http
        self._transport = transport
        self._context = context
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._early = bytearray()
        self._ended = False
        self._lost = False
        transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """Start the handshake with the first bytes; keep what comes before it is known to be complete."""
        if self._task is not None:
            self._early += data
        elif data[:1] != _HANDSHAKE_RECORD:
            self._transport.set_protocol(self._http)  # type: ignore[arg-type]  # it is a protocol of asyncio as well
            self._http.refuse_without_tls()
        else:
            # ``start_tls`` continues in two callbacks of the event loop, the second of which resumes reading. The bytes
            # that were received already must come right after them, before the loop reads on.
            self._transport.pause_reading()
            self._task = self._loop.create_task(self._start())
            self._loop.call_soon(self._loop.call_soon, self._repeat, data)

    def eof_received(self) -> bool:
        """Note the end, for the case that a complete request came before it."""
        self._ended = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up."""
        if not self._lost:
            self._lost = True
            self._http.connection_lost(exc)

    def _repeat(self, data: bytes) -> None:
        """Give the first bytes to the TLS protocol, as the transport would have done."""
        secured = self._transport.get_protocol()
        if not isinstance(secured, TlsHandshake) and not self._lost:
            buffer = memoryview(secured.get_buffer(len(data)))  # type: ignore[attr-defined]  # a BufferedProtocol
            buffer[: len(data)] = data
            secured.buffer_updated(len(data))  # type: ignore[attr-defined]

    async def _start(self) -> None:
        try:
            transport = await self._loop.start_tls(
                self._transport,
                self,
                self._context(),
                server_side=True,
                ssl_handshake_timeout=self._limits.request_timeout_s,
                ssl_shutdown_timeout=self._limits.linger_s,
            )
        except OSError as error:
            _log.info("TLS handshake failed", extra={"error": str(error)})
            self._transport.abort()
            self.connection_lost(error)
            return
        if transport is None or self._transport.is_closing():
            self.connection_lost(None)  # uvloop ends ``start_tls`` without an error if the connection is lost meanwhile
            return
        self._continue(transport)

    def _continue(self, transport: asyncio.Transport) -> None:
        transport.set_protocol(self._http)  # type: ignore[arg-type]  # it is a protocol of asyncio as well
        self._http.connection_made(transport)
        if self._early:
            self._http.data_received(bytes(self._early))
        if self._ended:
            self._http.eof_received()
