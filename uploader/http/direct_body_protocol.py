"""uvicorn's HTTP/1.1 protocol, one request at a time, with limits on everything that a client may send or withhold.

llhttp parses. This module decides where a message ends: the parser gets the bytes of one message, and later bytes wait
until that message has been answered. Therefore

- bytes after a request are not parsed before it is answered: pipelining costs one read instead of a task per request;
- an offer of another protocol (``Upgrade``) is ignored, as RFC 9110 (7.8) allows: the head is parsed again without it.
  httptools would take the body for the next request (httptools#124);
- a client that half-closes the connection after its request gets its response.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from typing import Any, cast
from weakref import WeakKeyDictionary

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from contracts.errors import CsvPipeError
from uploader.http.ambiguous_heads import find_ambiguity
from uploader.http.direct_body import EXTENSION, DirectBody
from uploader.http.http_limits import HttpLimits
from uploader.http.message_framing import TURN_BYTES, MessageFraming
from uploader.http.read_gate import ReadGate
from uploader.http.refused_requests import (
    connect_refused,
    head_too_large,
    malformed_request,
    render_refusal,
    request_timeout,
    tls_required,
    too_many_connections,
    unsupported_version,
    uri_too_long,
)
from uploader.http.response_transport import ResponseTransport, close_if_body_not_requested
from uploader.http.server_certificate import ServerCertificate
from uploader.http.stream_end import EXTENSION as STREAM_END_EXTENSION
from uploader.http.tls_handshake import TlsHandshake
from uploader.http.unsent_bytes import limit_unsent_bytes
from uploader.http.waiting_connections import WaitingConnections

SERVER_EXTENSION = "csvpipe.http"
"""In the scope of each request that this protocol has read."""
_VERSIONS = frozenset({"1.0", "1.1"})
_UPGRADE_HEADERS = frozenset({b"upgrade", b"http2-settings"})
_TLS_WRITE_BUFFER_BYTES = 64 * 1024
_log = logging.getLogger(__name__)


class _Stage(enum.Enum):
    """What the connection waits for."""

    HANDSHAKE = "the end of the TLS handshake"
    IDLE = "the first byte of a request"
    HEAD = "the end of its head"
    BODY = "the end of its body"
    RESPONSE = "the end of its response"
    CLOSING = "the end of the connection; received bytes are discarded"


class _RefusedError(Exception):
    """Ends the parsing; httptools wraps it in an error of its own."""


class DirectBodyProtocol(HttpToolsProtocol):
    """One connection. A body of known length is offered to the application for ``take_direct_body``."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = HttpLimits.from_state(app_state)
        self._certificate = ServerCertificate.from_state(app_state)
        self._idle = _IDLE.setdefault(server_state, WaitingConnections())
        self._stalled = _STALLED.setdefault(server_state, WaitingConnections())
        self._stalled_since = 0.0
        self._gate: ReadGate
        self._stage = _Stage.IDLE
        self._timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._held, self._held_from = b"", 0
        self._framing = MessageFraming(self._limits)
        self._drained_bytes = self._lingered_bytes = 0
        self._linger_until = 0.0
        self._refusal: CsvPipeError | None = None
        self._half_closed = False
        self._stream_end = asyncio.Event()

    # Called by the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for a request. If there are too many connections, the longest idle one is closed.

        With a certificate, this is called again after the handshake, with the encrypted transport.
        """
        super().connection_made(transport)
        # In plain text the kernel's buffer is enough; uvloop's TLS does not resume writing without one of its own.
        transport.set_write_buffer_limits(high=0 if self._certificate is None else _TLS_WRITE_BUFFER_BYTES)
        limit_unsent_bytes(transport)
        self.flow = self._gate = ReadGate(transport)
        if self._certificate is None or self.scheme == "https":
            self._enter(_Stage.IDLE, self._limits.request_timeout_s)
        else:
            self._enter(_Stage.HANDSHAKE, self._limits.request_timeout_s)
            context = self._certificate.current_context
            TlsHandshake(http=self, transport=transport, context=context, limits=self._limits)
        if len(self.connections) > self._limits.max_connections:
            self._close_oldest_idle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Release everything."""
        self._enter(_Stage.CLOSING)
        self._idle.discard(self)
        self._held = b""
        self._cancel_send_timer()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn never keeps the connection open
        """Return whether the connection stays open, for a client that waits for a response and sends no more."""
        self._half_closed = True
        if self._stage is not _Stage.RESPONSE or self.scheme != "http":  # TLS has no half-closed connections
            return False
        self._gate.shut()
        self._mark_last()
        self._stream_end.set()  # a client that follows events has gone, and does not wait for the last one
        return True

    def data_received(self, data: bytes) -> None:
        """Parse the bytes of the current request, and hold later ones."""
        if self._stage is _Stage.RESPONSE:
            self._hold(self._held[self._held_from :] + data, 0)
        elif self._stage is _Stage.CLOSING:
            self.count_body(len(data))
        else:
            self._parse(data, 0)

    def shutdown(self) -> None:
        """Stop after the current response, which is told to end if it would not by itself."""
        self._stream_end.set()
        super().shutdown()

    def pause_writing(self) -> None:
        """Start the time that a client has to read its response."""
        super().pause_writing()
        self._stalled_since = self.loop.time()
        self._stalled.add(self)
        if self._send_timer is None:
            self._send_timer = self.loop.call_later(self._limits.send_timeout_s, self._abort_sending)

    def resume_writing(self) -> None:
        """Stop the time that :meth:`pause_writing` has started."""
        super().resume_writing()
        self._cancel_send_timer()

    # The end of messages

    def _parse(self, data: bytes, start: int) -> None:
        view, turn_end = memoryview(data), start + TURN_BYTES
        while start < len(data) and self._stage not in {_Stage.RESPONSE, _Stage.CLOSING}:
            if start >= turn_end:
                self._hold(data, start)
                self.loop.call_soon(self._parse_more)
                return
            end = self._framing.end_of_piece(data, start, in_body=self._stage is _Stage.BODY)
            self._feed(view[start:end])
            start = end
        if self._stage is _Stage.RESPONSE:
            if start < len(data):
                self._hold(data, start)
            elif self._half_closed:
                self._mark_last()

    def _hold(self, data: bytes, start: int) -> None:
        self._held, self._held_from = data, start
        self._gate.shut()

    def _feed(self, piece: memoryview) -> None:
        self._framing.count_fed(piece, in_body=self._stage is _Stage.BODY)
        try:
            self.parser.feed_data(piece)
            self._check_sizes()
        except httptools.HttpParserUpgrade:
            self._parse_without_upgrade()
        except (httptools.HttpParserError, _RefusedError):
            self._refuse(self._refusal or malformed_request())

    def _parse_without_upgrade(self) -> None:
        """Parse the head again without the offer of another protocol."""
        request_line = [self.parser.get_method(), self.url, f"HTTP/{self.parser.get_http_version()}".encode()]
        lines = [b": ".join(header) for header in self.headers if header[0] not in _UPGRADE_HEADERS]
        self._renew_parser()
        self._stage = _Stage.IDLE
        try:
            self.parser.feed_data(b"\r\n".join([b" ".join(request_line), *lines, b"", b""]))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(self._refusal or malformed_request())

    def _check_sizes(self) -> None:
        if self._stage is _Stage.RESPONSE:
            return
        in_body = self._stage is _Stage.BODY
        if self._framing.is_trailer_too_large() if in_body else self._framing.is_head_too_large():
            self._stop(head_too_large(self._limits))

    def _renew_parser(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it

    def _stop(self, refusal: CsvPipeError) -> None:
        self._refusal = refusal
        raise _RefusedError

    # Called by the parser

    def on_message_begin(self) -> None:
        """Start a request."""
        if self._stage is not _Stage.IDLE:
            self._stop(malformed_request())
        super().on_message_begin()
        self._enter(_Stage.HEAD, self._limits.request_timeout_s)

    def on_url(self, url: bytes) -> None:
        """Append to the request URI."""
        if len(self.url) + len(url) > self._limits.url_bytes:
            self._stop(uri_too_long(self._limits))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header. Trailers are dropped: they would be mixed with the headers."""
        if self._stage is _Stage.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request, with the offer of its body in the scope."""
        if self._framing.is_head_too_large():
            self._stop(head_too_large(self._limits))
        if self.parser.get_method() == b"CONNECT":
            self._stop(connect_refused())
        if self.parser.get_http_version() not in _VERSIONS:
            self._stop(unsupported_version())
        ambiguity = find_ambiguity(self.headers, url=self.url, version=self.parser.get_http_version())
        if ambiguity is not None:
            self._stop(ambiguity)
        if self.parser.should_upgrade():
            return  # the head is parsed again without the offer
        super().on_headers_complete()
        self._enter(_Stage.BODY)
        self.cycle.transport = cast("asyncio.Transport", ResponseTransport(self))
        length = self._framing.body_to_come = _body_length(self.headers)
        extensions = self.scope.setdefault("extensions", {})
        extensions[SERVER_EXTENSION] = {}
        self._stream_end = asyncio.Event()
        extensions[STREAM_END_EXTENSION] = {"event": self._stream_end}
        if length:
            extensions[EXTENSION] = {"body": DirectBody(http=self, cycle=self.cycle, length=length)}

    def on_chunk_header(self) -> None:
        """Count the start of another chunk of the body."""
        self._framing.count_chunk_header()

    def on_body(self, body: bytes) -> None:
        """Pass a piece of the body on."""
        self._framing.count_body(len(body))
        self.count_body(len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request, unless it is a head that offers another protocol."""
        if self._stage is _Stage.BODY:
            super().on_message_complete()
            self._end_body()

    # Called by the response

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        super()._start_asgi_task(
            cycle, close_if_body_not_requested(cycle, app) if cycle.waiting_for_100_continue else app
        )

    def on_response_complete(self) -> None:
        """Start the next request, or discard the rest of the body of this one."""
        self.server_state.total_requests += 1
        if self._stage is _Stage.RESPONSE:
            self._start_next()
        elif self._stage is _Stage.BODY:
            self._drained_bytes = 0
            self._enter(_Stage.BODY, self._limits.drain_window_s)
            self.flow.resume_reading()

    def _start_next(self) -> None:
        self._enter(_Stage.IDLE, self._limits.keep_alive_s)
        self._parse_held()

    def _parse_more(self) -> None:
        if self._stage not in {_Stage.RESPONSE, _Stage.CLOSING}:
            self._parse_held()

    def _parse_held(self) -> None:
        held, start = self._held, self._held_from
        self._held = b""
        if not self._half_closed:
            self._gate.open()
        self._parse(held, start)
        if self._half_closed and not self._held and self._stage is not _Stage.RESPONSE:
            self._close()

    def _end_body(self) -> None:
        if self._stage is _Stage.BODY and self.cycle.response_complete:
            self._enter(_Stage.IDLE, self._limits.keep_alive_s)
        elif self._stage is _Stage.BODY:
            self._enter(_Stage.RESPONSE)

    def _mark_last(self) -> None:
        """Mark the response as the last one, unless another request has been received."""
        if not self._held:
            self.cycle.keep_alive = False

    # Called by a direct body

    def continue_after_body(self, cycle: RequestResponseCycle) -> None:
        """Take the connection back after the body of ``cycle`` was read past this protocol."""
        self._renew_parser()  # the old one is still waiting for the body
        cycle.more_body = False
        cycle.message_event.set()
        self.transport.set_protocol(self)
        self._end_body()
        self.flow.resume_reading()

    def count_body(self, size_bytes: int) -> None:
        """Count received bytes, which matter when they are being discarded."""
        self._drained_bytes += size_bytes
        if self._stage is _Stage.CLOSING and self._drained_bytes > self._limits.linger_bytes:
            self.transport.abort()

    # The end of connections

    def end_after_response(self) -> None:
        """Close the connection after a response; a client that is still sending has time to read it first."""
        if self._stage is _Stage.BODY:
            self._linger()
        else:
            self._close()

    @property
    def is_ending(self) -> bool:
        """Whether no further responses are sent."""
        return self._stage is _Stage.CLOSING or self.transport.is_closing()

    def _enter(self, stage: _Stage, time_s: float | None = None) -> None:
        """Enter ``stage`` for at most ``time_s``, or for as long as the application takes if it is None."""
        self._stage = stage
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if time_s is None else self.loop.call_later(time_s, self._end_wait)
        if stage is _Stage.IDLE:
            self._framing.reset()
        if stage is not _Stage.HEAD:
            self._idle.discard(self)
        if stage in {_Stage.HANDSHAKE, _Stage.IDLE, _Stage.CLOSING}:
            self._idle.add(self)

    def _end_wait(self) -> None:
        if self._stage is _Stage.HEAD:
            self._refuse(request_timeout(self._limits))
        elif self._stage is _Stage.IDLE:
            self._close()
        elif self._stage is _Stage.BODY and self._drained_bytes >= self._limits.drain_least_bytes:
            self._drained_bytes = 0
            self._enter(_Stage.BODY, self._limits.drain_window_s)
        elif self._stage is _Stage.CLOSING and not self.transport.is_closing() and not self.transport.can_write_eof():
            self._end_linger()
        else:
            self.transport.abort()

    def _end_linger(self) -> None:
        """Close a connection with TLS, unless the client is still sending."""
        is_quiet = self._drained_bytes == self._lingered_bytes
        self._lingered_bytes = self._drained_bytes
        if is_quiet or self.loop.time() >= self._linger_until:
            self._close()
        else:
            self._enter(_Stage.CLOSING, self._limits.linger_quiet_s)

    def _refuse(self, refusal: CsvPipeError) -> None:
        """Send ``refusal``, if the request has no response yet, and close the connection."""
        _log.info("Request refused", extra={"code": refusal.code, "error": refusal.detail})
        if self._stage in {_Stage.BODY, _Stage.RESPONSE}:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started or self._stage is _Stage.RESPONSE:
                self._close()
                return
        self.transport.write(render_refusal(refusal))
        self._linger()

    def refuse_without_tls(self) -> None:
        """Refuse a client that does not speak TLS, in a form that it can read."""
        self._refuse(tls_required())

    def _linger(self) -> None:
        """Discard received bytes for a while: closing the connection with unread bytes loses the response.

        With TLS the client cannot see the end of the response before the connection is closed: it has the length.
        """
        self._drained_bytes = 0
        self._linger_until = self.loop.time() + self._limits.linger_s
        if self._half_closed:
            self._close()
        elif self.transport.can_write_eof():
            self._enter(_Stage.CLOSING, self._limits.linger_s)
            self.transport.write_eof()
            self._gate.open()
        else:
            self._enter(_Stage.CLOSING, self._limits.linger_quiet_s)
            self._lingered_bytes = 0
            self._gate.open()

    def _close(self) -> None:
        self._enter(_Stage.CLOSING, self._limits.send_timeout_s)
        self.transport.close()

    def _close_oldest_idle(self) -> None:
        oldest = self._idle.oldest(other_than=self) or self._longest_stalled()
        if oldest is None and self._stage is _Stage.HANDSHAKE:
            return  # it can be told after the handshake, or be closed for a later one
        if oldest is None:
            self.transport.write(render_refusal(too_many_connections(self._limits)))
            self._close()
            return
        self.connections.discard(oldest)
        self._idle.discard(oldest)
        oldest.transport.abort()

    def _longest_stalled(self) -> DirectBodyProtocol | None:
        """Return the connection whose client has read nothing for longest, if that is long enough."""
        found = self._stalled.oldest(other_than=self)
        is_long = found is not None and self.loop.time() - found._stalled_since >= self._limits.stalled_s
        return found if is_long else None

    def _abort_sending(self) -> None:
        _log.info(
            "Connection closed: client stopped reading the response",
            extra={"send_timeout_s": self._limits.send_timeout_s},
        )
        self.transport.abort()

    def _cancel_send_timer(self) -> None:
        self._stalled.discard(self)
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None


_IDLE: WeakKeyDictionary[ServerState, WaitingConnections[DirectBodyProtocol]] = WeakKeyDictionary()
"""The idle connections of each server."""
_STALLED: WeakKeyDictionary[ServerState, WaitingConnections[DirectBodyProtocol]] = WeakKeyDictionary()
"""Those that cannot send because their client does not read."""


def _body_length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """Return the length of the body, or None if it is chunked. The parser has checked that there is only one."""
    found = dict(headers)
    return None if b"transfer-encoding" in found else int(found.get(b"content-length", b"0"))
