"""What a client may do to a connection: everything has a bound, and each request that is taken has its answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from contracts.names import BYTES_PER_MB
from tests.support.uploader.ingest import form
from tests.support.uploader.raw_http import HEALTH, Connection, connected, in_chunks, upload, upload_head
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.waiting import wait_until
from uploader.assembly import Intervals

ROWS = b"id,name\r\n" + b"".join(b"%d,name of %d\r\n" % (row, row) for row in range(1, 20_000))
TOKENS = [b"h2c", b"websocket", b"foo", b"TLS/1.0, h2c", b"HTTP/2.0", b""]
FRAMINGS = pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])


@pytest.fixture(scope="module")
def uploader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path_factory.mktemp("chunks"), max_file_size_mb=50) as server:
        yield server


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    """Give an uploader that waits for nothing long."""
    directory = tmp_path_factory.mktemp("chunks")
    with running_uploader(directory, request_timeout_s=2, keep_alive_s=1, send_timeout_s=1) as server:
        yield server


@pytest.fixture
def connection(uploader: RunningUploader) -> Iterator[Connection]:
    with connected(uploader.port) as made:
        yield made


@pytest.fixture
def to_hasty(hasty: RunningUploader) -> Iterator[Connection]:
    with connected(hasty.port) as made:
        yield made


def body_of(rows: bytes = ROWS, *, dataset: bytes = b"people") -> bytes:
    return form([("dataset_name", dataset), ("file", rows)])


def offer(token: bytes) -> list[bytes]:
    return [b"Connection: keep-alive, Upgrade, HTTP2-Settings", b"Upgrade: " + token, b"HTTP2-Settings: AAMAAABkAAQA"]


def uploaded(connection: Connection) -> str:
    """Upload a small file, and return the id of the upload."""
    connection.send(upload(body_of(b"id\n1\n")))
    return str(json.loads(connection.next().body)["upload_id"])


# Offers of another protocol


@FRAMINGS
@pytest.mark.parametrize("token", TOKENS)
def test_upload_that_offers_another_protocol_is_taken(connection: Connection, token: bytes, chunked: bool) -> None:
    connection.send(upload(body_of(), *offer(token), chunked=chunked) + HEALTH)
    assert [connection.next().status for _ in range(2)] == [202, 200]


@pytest.mark.parametrize("token", TOKENS)
def test_offer_without_a_body_is_answered_as_if_it_were_not_there(connection: Connection, token: bytes) -> None:
    head = b"\r\n".join([b"GET /health HTTP/1.1", b"Host: localhost", *offer(token), b"", b""])
    connection.send(head + HEALTH)
    assert [connection.next().status for _ in range(2)] == [200, 200]


def test_offer_that_waits_to_be_asked_for_its_body_is_asked(connection: Connection) -> None:
    body = body_of()
    connection.send(upload_head(body, *offer(b"h2c"), b"Expect: 100-continue"))
    assert connection.next_of_all().status == 100
    connection.send(body)
    assert connection.next().status == 202


@FRAMINGS
@pytest.mark.parametrize("token", TOKENS)
def test_request_in_a_body_that_offers_another_protocol_is_not_carried_out(
    connection: Connection, uploader: RunningUploader, token: bytes, chunked: bool
) -> None:
    upload_id = uploaded(connection)
    hidden = b"DELETE /uploads/%s?force=true HTTP/1.1\r\nHost: localhost\r\n\r\n" % upload_id.encode()
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(hidden)
    for target in (b"PUT /chunks/%s/1/state" % upload_id.encode(), b"POST /upload/csv", b"GET /health"):
        head = b"\r\n".join([target + b" HTTP/1.1", b"Host: localhost", framing, *offer(token), b"", b""])
        with connected(uploader.port) as attacker:
            attacker.send(head)
            attacker.send(in_chunks(hidden) if chunked else hidden)
            attacker.send(HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            answers = [attacker.next(), attacker.next()]
            assert answers[1].status == 200
            assert attacker.is_closed()
    connection.send(b"GET /uploads/%s/status HTTP/1.1\r\nHost: localhost\r\n\r\n" % upload_id.encode())
    assert json.loads(connection.next().body)["status"] != "deleted"


def test_state_with_an_offer_is_read(connection: Connection) -> None:
    upload_id = uploaded(connection).encode()
    body = b'{"state": "relayed"}'
    head = b"PUT /chunks/%s/1/state HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json" % upload_id
    connection.send(b"\r\n".join([head, b"Content-Length: %d" % len(body), *offer(b"h2c"), b"", body]))
    assert connection.next().status == 200


@pytest.mark.parametrize("start", [b"CONNECT localhost:80 HTTP/1.1", b"PRI * HTTP/2.0"])
def test_tunnel_and_http_2_preface_are_refused_and_nothing_behind_them_is_read(
    connection: Connection, start: bytes
) -> None:
    connection.send(start + b"\r\nHost: localhost\r\n\r\nSM\r\n\r\n" + HEALTH)
    assert connection.next().problem["status"] in {400, 501, 505}
    assert connection.is_closed()


def test_on_a_stock_server_nothing_in_the_body_of_an_offer_is_carried_out(tmp_path: Path) -> None:
    with running_uploader(tmp_path, http="httptools") as stock, connected(stock.port) as connection:
        upload_id = uploaded(connection)
        hidden = b"DELETE /uploads/%s?force=true HTTP/1.1\r\nHost: localhost\r\n\r\n" % upload_id.encode()
        with connected(stock.port) as attacker:
            attacker.send(upload_head(hidden, *offer(b"h2c")))
            attacker.send(hidden)
            assert attacker.next().headers["connection"] == "close"
            assert attacker.is_closed()
        connection.send(b"GET /uploads/%s/status HTTP/1.1\r\nHost: localhost\r\n\r\n" % upload_id.encode())
        assert json.loads(connection.next().body)["status"] != "deleted"


# Versions


@pytest.mark.parametrize("line", [b"GET /health", b"GET /health HTTP/0.9", b"GET /health HTTP/2.0"])
def test_other_version_is_refused(connection: Connection, line: bytes) -> None:
    connection.send(line + b"\r\nHost: localhost\r\n\r\n")
    assert connection.next().problem["status"] in {400, 505}
    assert connection.is_closed()


# Heads


@pytest.mark.parametrize(
    ("start", "endless", "status"),
    [
        (b"GET /health HTTP/1.1\r\n", b"a:b\r\n", 431),
        (b"GET /health HTTP/1.1\r\nName: ", b"a", 431),
        (b"GET /health HTTP/1.1\r\n", b"a", 431),
        (b"GET /", b"a", 414),
        (b"", b"\r\n", 431),
    ],
    ids=["headers", "value", "name", "address", "empty lines"],
)
def test_head_without_end_is_refused(
    uploader: RunningUploader, connection: Connection, start: bytes, endless: bytes, status: int
) -> None:
    with pytest.raises(OSError):  # noqa: PT012, PT011  closed or reset: whichever comes first
        connection.send(start)
        for _ in range(1000):
            connection.send(endless * (65536 // len(endless)))
    with connected(uploader.port) as again:
        again.send((start + endless * (20_000 // len(endless)))[:20_000])
        assert again.next().problem["status"] == status
        assert again.is_closed()


def test_head_of_just_the_size_is_taken_and_one_byte_more_is_not(connection: Connection) -> None:
    start = b"GET /health HTTP/1.1\r\nHost: localhost\r\nName: "
    most = start + b"a" * (16 * 1024 - len(start) - 4) + b"\r\n\r\n"
    connection.send(most)
    assert connection.next().status == 200
    connection.send(most.replace(b"Name", b"Names"))
    assert connection.next().problem["code"] == "request_head_too_large"


@pytest.mark.parametrize("trailer", [b"a:b\r\n", b"a"], ids=["many", "long"])
def test_trailers_without_end_are_refused(connection: Connection, trailer: bytes) -> None:
    with pytest.raises(OSError):  # noqa: PT012, PT011  closed or reset
        connection.send(upload_head(b"", chunked=True) + b"0\r\n")
        for _ in range(1000):
            connection.send(trailer * (65536 // len(trailer)))


def test_trailers_are_no_headers_and_cost_no_answer(connection: Connection) -> None:
    body = upload(body_of(), chunked=True).removesuffix(b"\r\n") + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    connection.send(body + HEALTH)
    assert [connection.next().status for _ in range(2)] == [202, 200]


def test_head_that_comes_byte_by_byte_is_read(connection: Connection) -> None:
    for byte in HEALTH * 2:
        connection.send(bytes((byte,)))
    assert [connection.next().status for _ in range(2)] == [200, 200]


# Time


def test_connection_that_sends_nothing_is_closed(to_hasty: Connection) -> None:
    assert to_hasty.is_closed()


@pytest.mark.parametrize("part", [HEALTH[:7], HEALTH[:-2], upload_head(b"abc")[:-3]])
def test_head_that_does_not_end_is_answered_and_closed(to_hasty: Connection, part: bytes) -> None:
    to_hasty.send(part)
    assert to_hasty.next().problem["code"] == "request_timeout"
    assert to_hasty.is_closed()


def test_half_a_body_of_a_small_call_is_answered_and_closed(to_hasty: Connection) -> None:
    to_hasty.send(b"PUT /chunks/%s/1/state HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{" % (b"a" * 32))
    assert to_hasty.next().problem["code"] == "body_timeout"
    assert to_hasty.is_closed()


@FRAMINGS
@pytest.mark.parametrize(("dataset", "status"), [(b"people", 202), (b"no such/name", 422)], ids=["taken", "refused"])
def test_idle_connection_is_closed_after_an_upload(
    to_hasty: Connection, chunked: bool, dataset: bytes, status: int
) -> None:
    to_hasty.send(upload(body_of(dataset=dataset), chunked=chunked))
    assert to_hasty.next().status == status
    assert to_hasty.is_closed()


def test_client_that_does_not_read_its_download_is_cut_off(
    hasty: RunningUploader, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "uploader.http.direct_body_protocol")
    request = upload(body_of(b"id\n" + b"1\n" * (10 * BYTES_PER_MB)))
    with connected(hasty.port) as sender:
        sender.send(request)
        upload_id = json.loads(sender.next().body)["upload_id"]
    with connected(hasty.port) as reader:
        reader.send(b"GET /chunks/%s/1/download HTTP/1.1\r\nHost: localhost\r\n\r\n" % upload_id.encode())
        wait_until(
            lambda: any(hasattr(record, "send_timeout_s") for record in caplog.records),
            what="the connection is closed",
            deadline_s=30,
        )


def test_trickling_upload_loses_its_slot(tmp_path: Path) -> None:
    hasty = Intervals(upload_window_s=0.5)
    with (
        running_uploader(tmp_path, intervals=hasty, max_concurrent_uploads=1) as server,
        connected(server.port) as slow,
    ):
        body = body_of()
        slow.send(upload_head(body) + body[:300])
        wait_until(lambda: server.files() != set(), what="the upload has begun", deadline_s=20, poll_s=0.01)
        slow.socket.settimeout(0.1)
        answer = None
        for byte in body[300:]:
            try:
                answer = slow.next()
                break
            except TimeoutError:
                slow.send(bytes((byte,)))
        assert answer is not None
        assert answer.problem["code"] == "upload_stalled"
        assert "MIN_UPLOAD_RATE_KB_S" in answer.problem["detail"]
        with connected(server.port) as honest:
            honest.send(upload(body))
            assert honest.next().status == 202


# Many


def test_many_pipelined_requests_are_answered_in_order(connection: Connection) -> None:
    paths = [b"/uploads?limit=%d" % (1 + number % 7) if number % 50 == 0 else b"/health" for number in range(2000)]
    connection.send(b"".join(b"GET %s HTTP/1.1\r\n\r\n" % path for path in paths))
    for path in paths:
        assert (b"uploads" in connection.next().body) == path.startswith(b"/uploads")


def test_connection_beyond_the_limit_closes_the_one_that_waits_longest(tmp_path: Path) -> None:
    with running_uploader(tmp_path, max_connections=8) as server, ExitStack() as stack:
        idle = [stack.enter_context(connected(server.port)) for _ in range(20)]
        with connected(server.port) as late:
            late.send(HEALTH)
            assert late.next().status == 200
        assert idle[0].is_closed()


def test_connection_is_refused_when_all_are_busy(tmp_path: Path) -> None:
    body = body_of()
    with running_uploader(tmp_path, max_connections=8) as server, ExitStack() as stack:
        busy = [stack.enter_context(connected(server.port)) for _ in range(8)]
        for upload_of in busy:
            upload_of.send(upload_head(body, b"Expect: 100-continue"))
            assert upload_of.next_of_all().status == 100
        with connected(server.port) as late:
            assert late.next().problem["code"] == "too_many_connections"
        for upload_of in busy:
            upload_of.send(body)
            assert upload_of.next().status == 202


# Bodies


def put_state(*framing: bytes) -> bytes:
    return b"\r\n".join([b"PUT /chunks/%s/1/state HTTP/1.1" % (b"a" * 32), b"Host: localhost", *framing, b"", b""])


def test_body_of_a_small_call_is_bounded_by_its_length(connection: Connection) -> None:
    connection.send(put_state(b"Content-Length: 600000000"))
    answer = connection.next()
    assert answer.problem["code"] == "body_too_large"
    assert answer.problem["max_body_bytes"] == 64 * 1024


def test_body_of_a_small_call_is_bounded_while_it_comes(connection: Connection) -> None:
    connection.send(put_state(b"Transfer-Encoding: chunked") + in_chunks(b" " * 70_000).removesuffix(b"0\r\n\r\n"))
    assert connection.next().problem["code"] == "body_too_large"
    assert connection.is_closed()


@pytest.mark.parametrize(
    "target", [b"DELETE /uploads/%s" % (b"a" * 32), b"GET /health", b"POST /nothing", b"PUT /upload/csv"]
)
def test_body_of_every_other_call_is_bounded(connection: Connection, target: bytes) -> None:
    connection.send(target + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n")
    assert connection.next().status == 413


def test_body_of_just_the_limit_is_read(connection: Connection) -> None:
    connection.send(put_state(b"Content-Length: 65536", b"Content-Type: application/json") + b" " * 65536 + HEALTH)
    assert [connection.next().status for _ in range(2)] == [422, 200]


# Half-closed connections, and what is behind a request


@FRAMINGS
def test_half_closed_upload_is_answered(uploader: RunningUploader, chunked: bool) -> None:
    for number in range(20):
        with connected(uploader.port) as connection:
            connection.send(upload(body_of(ROWS[: 1000 * number + 9]), chunked=chunked))
            connection.end_sending()
            assert connection.next().status in {202, 400}
            assert connection.is_closed()


def test_half_closed_connection_gets_all_its_answers(connection: Connection) -> None:
    connection.send(HEALTH + upload(body_of()) + HEALTH + b"GET /heal")
    connection.end_sending()
    assert [connection.next().status for _ in range(3)] == [200, 202, 200]
    assert connection.is_closed()


def test_half_closed_download_is_complete(connection: Connection) -> None:
    connection.send(upload(body_of(b"id\n" + b"1\n" * (2 * BYTES_PER_MB))))
    upload_id = json.loads(connection.next().body)["upload_id"]
    connection.send(b"GET /chunks/%s/1/download HTTP/1.1\r\nHost: localhost\r\n\r\n" % upload_id.encode())
    connection.end_sending()
    assert len(connection.next().body) == 3 + 4 * BYTES_PER_MB


@FRAMINGS
@pytest.mark.parametrize(
    "behind", [b"--\r\n", b"\x00" * 100_000, b"GET / HTTP/9.9\r\n\r\n"], ids=["line", "zeros", "http"]
)
def test_bytes_behind_an_upload_do_not_cost_its_answer(
    uploader: RunningUploader, connection: Connection, chunked: bool, behind: bytes
) -> None:
    connection.send(upload(body_of(), chunked=chunked) + behind)
    accepted = connection.next()
    assert accepted.status == 202
    connection.end_sending()
    upload_id = json.loads(accepted.body)["upload_id"]
    with connected(uploader.port) as other:
        other.send(b"GET /uploads/%s/status HTTP/1.1\r\nHost: localhost\r\n\r\n" % upload_id.encode())
        assert other.next().status == 200


def test_broken_chunk_is_refused_and_nothing_remains(uploader: RunningUploader, connection: Connection) -> None:
    before = uploader.files()
    connection.send(upload(body_of(), chunked=True)[:100_000] + b"\r\nXYZ\r\n" * 100)
    assert connection.next().status == 400
    assert connection.is_closed()
    wait_until(lambda: uploader.files() == before, what="nothing remains", deadline_s=20, poll_s=0.01)


def test_client_that_is_refused_before_it_was_asked_is_closed(connection: Connection) -> None:
    head = upload_head(body_of(), b"Expect: 100-continue").replace(b"multipart/form-data", b"text/plain")
    connection.send(head)
    answer = connection.next_of_all()
    assert (answer.status, answer.headers["connection"]) == (415, "close")


def test_chunks_of_a_byte_are_read_in_turns(connection: Connection) -> None:
    body = body_of(ROWS[:100_000].rpartition(b"\r\n")[0])
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    connection.send(upload_head(body, chunked=True) + pieces + HEALTH)
    connection.end_sending()
    assert [connection.next().status for _ in range(2)] == [202, 200]
    assert connection.is_closed()
