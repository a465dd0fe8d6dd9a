"""uvicorn's HTTP/1.1 protocol, one request at a time, with a bound on all that a client may send or leave out.

llhttp parses. What is added here is where a message ends: the parser gets the bytes of one message, and what follows
waits until that message is answered. Therefore

- bytes behind a request are not parsed before it is answered: pipelining costs one read, and not a task each;
- an offer of another protocol (``Upgrade``) is ignored, as RFC 9110 (7.8) allows: the head is parsed once more without
  it. httptools would take the body for the next request (httptools#124);
- a client that half-closes the connection after its request gets its answer.

llhttp takes CRLF alone for the end of a line. A head and a chunked body end with an empty line, so no message can end
within bytes that are fed up to the next CRLF CRLF. A body of known length is counted.
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
from uploader.http.direct_body import EXTENSION, DirectBody
from uploader.http.limits import HttpLimits
from uploader.http.read_gate import ReadGate
from uploader.http.refusals import (
    head_too_large,
    malformed,
    no_tunnel,
    other_version,
    refusal_answer,
    too_late,
    too_many_connections,
    url_too_long,
)
from uploader.http.response_transport import ResponseTransport, closing_unasked

SERVER_EXTENSION = "csvpipe.http"
"""In the scope of each request that this protocol has read."""
_BLANK_LINE = b"\r\n\r\n"
_VERSIONS = frozenset({"1.0", "1.1"})
_OFFERS = frozenset({b"upgrade", b"http2-settings"})
_WRITE_BUFFER_BYTES = 64 * 1024
_TURN_BYTES = 32 * 1024
"""What is parsed before others get their turn: in chunks of a byte, 250 KB would hold them up for 50 ms and more."""
_log = logging.getLogger(__name__)


class _Stage(enum.Enum):
    """What the connection waits for."""

    IDLE = "the first byte of a request"
    HEAD = "the end of its head"
    BODY = "the end of its body"
    ANSWER = "the end of its answer"
    CLOSING = "the end of the connection; what comes is dropped"


class _RefusedError(Exception):
    """Ends the parsing; httptools wraps it in an error of its own."""


class DirectBodyProtocol(HttpToolsProtocol):
    """One connection. A body of known length is offered to the application; ``take_body`` takes it."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = HttpLimits.found_in(app_state)
        self._waiting = _WAITING.setdefault(server_state, {})
        self._gate: ReadGate
        self._stage = _Stage.IDLE
        self._timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._held, self._held_from = b"", 0
        self._fed_end = b""
        self._head_bytes = 0
        self._quiet_bytes = 0
        self._body_to_come: int | None = None
        self._drained_bytes = 0
        self._refusal: CsvPipeError | None = None
        self._half_closed = False

    # What the transport calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for a request. If there are too many connections, the one that has waited longest is closed."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        self.flow = self._gate = ReadGate(transport)
        self._enter(_Stage.IDLE, self._limits.request_timeout_s)
        if len(self.connections) > self._limits.max_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        self._enter(_Stage.CLOSING)
        self._waiting.pop(self, None)
        self._held = b""
        self._cancel_send_timer()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn never keeps the connection open
        """Return whether the connection stays open: for a client that waits for an answer and sends no more."""
        self._half_closed = True
        if self._stage is not _Stage.ANSWER or self.scheme != "http":  # TLS has no half-closed connections
            return False
        self._gate.shut()
        self._announce_close()
        return True

    def data_received(self, data: bytes) -> None:
        """Parse what belongs to the request under way, and hold the rest."""
        if self._stage is _Stage.ANSWER:
            self._hold(self._held[self._held_from :] + data, 0)
        elif self._stage is _Stage.CLOSING:
            self.count_body(len(data))
        else:
            self._parse(data, 0)

    def pause_writing(self) -> None:
        """Give a client some time to read its answer."""
        super().pause_writing()
        if self._send_timer is None:
            self._send_timer = self.loop.call_later(self._limits.send_timeout_s, self._give_up_sending)

    def resume_writing(self) -> None:
        """Note that the client has read."""
        super().resume_writing()
        self._cancel_send_timer()

    # Where messages end

    def _parse(self, data: bytes, start: int) -> None:
        view, turn_end = memoryview(data), start + _TURN_BYTES
        while start < len(data) and self._stage not in {_Stage.ANSWER, _Stage.CLOSING}:
            if start >= turn_end:
                self._hold(data, start)
                self.loop.call_soon(self._go_on)
                return
            end = self._end_of_piece(data, start)
            self._feed(view[start:end])
            start = end
        if self._stage is _Stage.ANSWER:
            if start < len(data):
                self._hold(data, start)
            elif self._half_closed:
                self._announce_close()

    def _hold(self, data: bytes, start: int) -> None:
        self._held, self._held_from = data, start
        self._gate.shut()

    def _end_of_piece(self, data: bytes, start: int) -> int:
        """Return how far ``data`` is fed: a message ends there or later, and a head is not much longer than it may."""
        if self._stage is not _Stage.BODY:
            limit = min(len(data), start + max(1, self._limits.head_bytes + 1 - self._head_bytes))
        elif self._body_to_come is not None:
            return min(len(data), start + self._body_to_come)
        else:
            limit = min(len(data), start + _TURN_BYTES)
        found = (self._fed_end + data[start : start + 3]).find(_BLANK_LINE)
        if found >= 0:
            return start + found + len(_BLANK_LINE) - len(self._fed_end)
        found = data.find(_BLANK_LINE, start, limit)
        return limit if found < 0 else found + len(_BLANK_LINE)

    def _feed(self, piece: memoryview) -> None:
        self._fed_end = (self._fed_end + piece[-3:].tobytes())[-3:]
        if self._stage is _Stage.BODY:
            self._quiet_bytes += len(piece)
        else:
            self._head_bytes += len(piece)
        try:
            self.parser.feed_data(piece)
            self._check_sizes()
        except httptools.HttpParserUpgrade:
            self._parse_without_offer()
        except (httptools.HttpParserError, _RefusedError):
            self._refuse(self._refusal or malformed())

    def _parse_without_offer(self) -> None:
        """Parse the head as it would be without the offer of another protocol."""
        request_line = [self.parser.get_method(), self.url, f"HTTP/{self.parser.get_http_version()}".encode()]
        lines = [b": ".join(header) for header in self.headers if header[0] not in _OFFERS]
        self._renew_parser()
        self._stage = _Stage.IDLE
        try:
            self.parser.feed_data(b"\r\n".join([b" ".join(request_line), *lines, b"", b""]))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(self._refusal or malformed())

    def _check_sizes(self) -> None:
        size = self._quiet_bytes if self._stage is _Stage.BODY else self._head_bytes
        if self._stage is not _Stage.ANSWER and size > self._limits.head_bytes:
            self._stop(head_too_large(self._limits))

    def _renew_parser(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it

    def _stop(self, refusal: CsvPipeError) -> None:
        self._refusal = refusal
        raise _RefusedError

    # What the parser calls

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self._stage is not _Stage.IDLE:
            self._stop(malformed())
        super().on_message_begin()
        self._enter(_Stage.HEAD, self._limits.request_timeout_s)

    def on_url(self, url: bytes) -> None:
        """Add to the address."""
        if len(self.url) + len(url) > self._limits.url_bytes:
            self._stop(url_too_long(self._limits))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header. Trailers are dropped: they would get among the headers."""
        if self._stage is _Stage.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request, with the offer of its body in the scope."""
        if self._head_bytes > self._limits.head_bytes:
            self._stop(head_too_large(self._limits))
        if self.parser.get_method() == b"CONNECT":
            self._stop(no_tunnel())
        if self.parser.get_http_version() not in _VERSIONS:
            self._stop(other_version())
        if self.parser.should_upgrade():
            return  # the head comes once more, without the offer
        super().on_headers_complete()
        self._enter(_Stage.BODY)
        self.cycle.transport = cast("asyncio.Transport", ResponseTransport(self))
        self._body_to_come = _length(self.headers)
        extensions = self.scope.setdefault("extensions", {})
        extensions[SERVER_EXTENSION] = {}
        if self._body_to_come and self.scheme == "http":
            extensions[EXTENSION] = {"body": DirectBody(http=self, cycle=self.cycle, length=self._body_to_come)}

    def on_chunk_header(self) -> None:
        """Note that the body goes on."""
        self._quiet_bytes = 0

    def on_body(self, body: bytes) -> None:
        """Hand a piece of the body on."""
        self._quiet_bytes = 0
        if self._body_to_come is not None:
            self._body_to_come -= len(body)
        self.count_body(len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request, unless it is the head that offers another protocol."""
        if self._stage is _Stage.BODY:
            super().on_message_complete()
            self._end_body()

    # What the answer brings

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        super()._start_asgi_task(cycle, closing_unasked(cycle, app) if cycle.waiting_for_100_continue else app)

    def on_response_complete(self) -> None:
        """Take the next request, or drop what is still to come of this one's body."""
        self.server_state.total_requests += 1
        if self._stage is _Stage.ANSWER:
            self._take_next()
        elif self._stage is _Stage.BODY:
            self._drained_bytes = 0
            self._enter(_Stage.BODY, self._limits.drain_window_s)
            self.flow.resume_reading()

    def _take_next(self) -> None:
        self._enter(_Stage.IDLE, self._limits.keep_alive_s)
        self._parse_held()

    def _go_on(self) -> None:
        if self._stage not in {_Stage.ANSWER, _Stage.CLOSING}:
            self._parse_held()

    def _parse_held(self) -> None:
        held, start = self._held, self._held_from
        self._held = b""
        if not self._half_closed:
            self._gate.open()
        self._parse(held, start)
        if self._half_closed and not self._held and self._stage is not _Stage.ANSWER:
            self._close()

    def _end_body(self) -> None:
        if self._stage is _Stage.BODY and self.cycle.response_complete:
            self._enter(_Stage.IDLE, self._limits.keep_alive_s)
        elif self._stage is _Stage.BODY:
            self._enter(_Stage.ANSWER)

    def _announce_close(self) -> None:
        """Let the answer say that it is the last one, if nothing is behind its request."""
        if not self._held:
            self.cycle.keep_alive = False

    # What a direct body calls

    def continue_after_body(self, cycle: RequestResponseCycle) -> None:
        """Take the connection back once the body of ``cycle`` was read past this protocol."""
        self._renew_parser()  # the old one still waits for the body
        cycle.more_body = False
        cycle.message_event.set()
        self.transport.set_protocol(self)
        self._end_body()
        self.flow.resume_reading()

    def count_body(self, size_bytes: int) -> None:
        """Count bytes that have come, for when nobody but this protocol waits for them."""
        self._drained_bytes += size_bytes
        if self._stage is _Stage.CLOSING and self._drained_bytes > self._limits.linger_bytes:
            self.transport.abort()

    # How connections end

    def end_after_answer(self) -> None:
        """Close the connection after an answer; a client that is still sending gets to read it first."""
        if self._stage is _Stage.BODY:
            self._linger()
        else:
            self._close()

    @property
    def is_ending(self) -> bool:
        """Whether nothing more is answered."""
        return self._stage is _Stage.CLOSING or self.transport.is_closing()

    def _enter(self, stage: _Stage, time_s: float | None = None) -> None:
        """Wait for what ``stage`` says, for at most ``time_s`` (None: whatever the application allows)."""
        self._stage = stage
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if time_s is None else self.loop.call_later(time_s, self._end_wait)
        if stage is _Stage.IDLE:
            self._head_bytes = self._quiet_bytes = 0
            self._fed_end = b""
        if stage is not _Stage.HEAD:
            self._waiting.pop(self, None)
        if stage in {_Stage.IDLE, _Stage.CLOSING}:
            self._waiting[self] = None

    def _end_wait(self) -> None:
        if self._stage is _Stage.HEAD:
            self._refuse(too_late(self._limits))
        elif self._stage is _Stage.IDLE:
            self._close()
        elif self._stage is _Stage.BODY and self._drained_bytes >= self._limits.drain_least_bytes:
            self._drained_bytes = 0
            self._enter(_Stage.BODY, self._limits.drain_window_s)
        else:
            self.transport.abort()

    def _refuse(self, refusal: CsvPipeError) -> None:
        """Answer ``refusal``, if the request has no answer yet, and close the connection."""
        _log.info("Refused: %s: %s", refusal.code, refusal.detail)
        if self._stage in {_Stage.BODY, _Stage.ANSWER}:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started or self._stage is _Stage.ANSWER:
                self._close()
                return
        self.transport.write(refusal_answer(refusal))
        self._linger()

    def _linger(self) -> None:
        """Drop what comes for a while: the answer is lost if the connection is closed with bytes unread."""
        self._enter(_Stage.CLOSING, self._limits.linger_s)
        self._drained_bytes = 0
        if self._half_closed or not self.transport.can_write_eof():
            self._close()
        else:
            self.transport.write_eof()
            self._gate.open()

    def _close(self) -> None:
        self._enter(_Stage.CLOSING, self._limits.send_timeout_s)
        self.transport.close()

    def _make_room(self) -> None:
        oldest = next((other for other in self._waiting if other is not self), None)
        if oldest is None:
            self.transport.write(refusal_answer(too_many_connections(self._limits)))
            self._close()
            return
        self.connections.discard(oldest)
        self._waiting.pop(oldest)
        oldest.transport.abort()

    def _give_up_sending(self) -> None:
        _log.info("Closed a connection: its client read nothing for %g s", self._limits.send_timeout_s)
        self.transport.abort()

    def _cancel_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None


_WAITING: WeakKeyDictionary[ServerState, dict[DirectBodyProtocol, None]] = WeakKeyDictionary()
"""By server, the connections that can be closed without a loss, the one that waits longest first."""


def _length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """Return the length of the body; None: it comes in chunks. The parser has checked that one is told, and once."""
    found = dict(headers)
    return None if b"transfer-encoding" in found else int(found.get(b"content-length", b"0"))
