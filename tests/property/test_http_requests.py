"""Any upgrade offer and any body: one request stays one request and gets one response."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csvpipe.commands.serve import HTTP_PROTOCOL
from tests.support.uploader.raw_http import Connection, connected, in_chunks
from tests.support.uploader.recording_app import DIRECT, UNREAD, RecordingApp, Seen, serving
from tests.support.waiting import wait_until

SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
HIDDEN_REQUESTS = [
    b"DELETE /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\r\nPOST /hidden HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
    b"0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /hidden HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\r\n\r\n",
    b"\r",
]
TOKENS = [b"h2c", b"websocket", b"foo", b"h2c, websocket", b"TLS/1.0", b"HTTP/2.0", b""]
CONNECTIONS = [b"Upgrade", b"keep-alive, Upgrade", b"upgrade , HTTP2-Settings", b"\tUPGRADE", b"foo,upgrade,bar"]
BROKEN = [
    b"GET /hidden HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    b"GET /hidden HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /hidden HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"GET /hidden HTTP/1.1\r\nHost: localhost\r\nContent-Length : 3\r\n\r\nabc",
    b"GET /hidden HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"GET /hidden HTTP/1.1\r\nHost: localhost\r\nName: a\r\n b\r\n\r\n",
    b"GET /hidden HTTP/1.1\nHost: localhost\n\n",
    b"GET /hidden HTTP/2.0\r\nHost: localhost\r\n\r\n",
    b"GET /hidden\r\n\r\n",
    b"CONNECT hidden:80 HTTP/1.1\r\nHost: localhost\r\n\r\n" + HIDDEN_REQUESTS[0],
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN_REQUESTS[0],
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + HIDDEN_REQUESTS[0],
    b"GET /hidden HTTP/1.1\r\nHost: localhost\r\nName: " + b"a" * 20_000 + b"\r\n\r\n",
    b"GET /hidden" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
]


@dataclass(frozen=True)
class Sent:
    """A request, as bytes and as it is to be seen."""

    data: bytes
    seen: Seen


bodies = st.lists(st.one_of(st.sampled_from(HIDDEN_REQUESTS), st.binary(max_size=50)), max_size=5).map(b"".join)
places = st.sampled_from([DIRECT, UNREAD, "/plain"])


def in_some_case(name: bytes) -> st.SearchStrategy[bytes]:
    return st.sampled_from([name, name.lower(), name.upper(), name.swapcase()])


@st.composite
def header(draw: st.DrawFn, name: bytes, values: list[bytes]) -> bytes:
    """Draw one header in some spelling."""
    before, after = draw(st.sampled_from([b" ", b"", b"\t", b"  "])), draw(st.sampled_from([b"", b" ", b"\t"]))
    return draw(in_some_case(name)) + b":" + before + draw(st.sampled_from(values)) + after


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    """Draw a valid request: with or without a body, an offer of another protocol, and an expectation."""
    method = draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "QUERY"]))
    path = f"{draw(places)}/{draw(st.integers(0, 999))}"
    framing = draw(st.sampled_from(["none", "length", "chunked"]))
    body = b"" if framing == "none" else draw(bodies)
    headers = [b"Host: localhost"]
    if draw(st.booleans()):
        headers += [draw(header(b"Connection", CONNECTIONS)), draw(header(b"Upgrade", TOKENS))]
        headers += draw(st.lists(header(b"HTTP2-Settings", [b"AAMAAABkAAQA"]), max_size=1))
    if framing == "length":
        headers.append(draw(in_some_case(b"Content-Length")) + b": %d" % len(body))
    elif framing == "chunked":
        headers.append(draw(in_some_case(b"Transfer-Encoding")) + draw(st.sampled_from([b":chunked", b":  CHUNKED "])))
    if not path.startswith(UNREAD):  # the connection ends after an answer to a body that nobody asked for
        headers += draw(st.lists(header(b"Expect", [b"100-continue"]), max_size=1))
    content = in_chunks(body, size=draw(st.integers(1, 60))) if framing == "chunked" else body
    if framing == "chunked" and draw(st.booleans()):
        content = content.removesuffix(b"\r\n") + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    data = b"\r\n".join([f"{method} {path} HTTP/1.1".encode(), *draw(st.permutations(headers)), b"", content])
    return Sent(data, Seen(method, path, b"" if path.startswith(UNREAD) else body))


@st.composite
def cuts(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Draw the pieces that ``data`` is sent in."""
    at = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[start:end] for start, end in zip([0, *at], [*at, len(data)], strict=True)]


def send_in_pieces(connection: Connection, pieces: list[bytes]) -> None:
    for piece in pieces:
        connection.send(piece)


@pytest.fixture(scope="module")
def app() -> RecordingApp:
    return RecordingApp()


@pytest.fixture(scope="module")
def port(app: RecordingApp) -> Iterator[int]:
    with serving(app, http=HTTP_PROTOCOL) as port:
        yield port


@SETTINGS
@given(st.data())
def test_pipelined_requests_are_handled_once_and_in_order(port: int, app: RecordingApp, data: st.DataObject) -> None:
    sent = data.draw(st.lists(requests(), min_size=1, max_size=4))
    pieces = data.draw(cuts(b"".join(request.data for request in sent)))
    half_closes = data.draw(st.booleans())
    app.started.clear()
    app.complete.clear()
    with connected(port) as connection:
        send_in_pieces(connection, pieces)
        if half_closes:
            connection.end_sending()
        answers = [connection.next() for _ in sent]
        if half_closes:
            assert connection.is_closed()
    assert [answer.status for answer in answers] == [200] * len(sent)
    assert [answer.body.decode() for answer in answers] == [request.seen.path for request in sent]
    assert app.complete == [request.seen for request in sent]


@SETTINGS
@given(st.data())
def test_invalid_request_is_refused_after_earlier_responses(port: int, app: RecordingApp, data: st.DataObject) -> None:
    sent = data.draw(st.lists(requests(), max_size=2))
    broken = data.draw(st.sampled_from(BROKEN)) + data.draw(bodies)
    app.started.clear()
    with connected(port) as connection:
        send_in_pieces(connection, data.draw(cuts(b"".join(request.data for request in sent) + broken)))
        assert [connection.next().body.decode() for _ in sent] == [request.seen.path for request in sent]
        assert connection.next().problem["status"] in {400, 414, 431, 501, 505}
        assert connection.is_closed()
    assert app.started == [(request.seen.method, request.seen.path) for request in sent]


@SETTINGS
@given(request=requests(), cut=st.floats(0, 1))
def test_truncated_request_is_incomplete_and_contains_no_other_request(
    port: int, app: RecordingApp, request: Sent, cut: float
) -> None:
    app.started.clear()
    app.complete.clear()
    with connected(port) as connection:
        connection.send(request.data[: int(cut * (len(request.data) - 1))])
        connection.end_sending()
        while not connection.is_closed():
            connection.next_of_all()
    assert app.started in ([], [(request.seen.method, request.seen.path)])
    assert app.complete == [] or request.seen.path.startswith(UNREAD)


@pytest.fixture(scope="module", params=["httptools", "h11"])
def stock_port(request: pytest.FixtureRequest, app: RecordingApp) -> Iterator[int]:
    with serving(app, http=request.param) as port:
        yield port


@SETTINGS
@given(st.data())
def test_stock_server_executes_no_request_from_a_body(stock_port: int, app: RecordingApp, data: st.DataObject) -> None:
    request = data.draw(requests())
    pieces = data.draw(cuts(request.data))
    app.started.clear()
    # The answer to an offer is the last one there: the connection may be closed before all was sent.
    with connected(stock_port) as connection, suppress(OSError):
        send_in_pieces(connection, pieces)
        connection.end_sending()
        while not connection.is_closed():
            connection.next_of_all()
    wait_until(lambda: app.started != [], what="the request is seen", deadline_s=20, poll_s=0.001)
    assert app.started == [(request.seen.method, request.seen.path)]
