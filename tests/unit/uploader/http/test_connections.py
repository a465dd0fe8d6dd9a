"""Pipelined requests, connection limits, small bodies, and half-closed connections."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from contracts.names import BYTES_PER_MB
from tests.support.uploader.http_bodies import FRAMINGS, ROWS, body_of
from tests.support.uploader.raw_http import HEALTH, Connection, connected, in_chunks, upload, upload_head
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.waiting import wait_until


def test_many_pipelined_requests_are_answered_in_order(connection: Connection) -> None:
    paths = [b"/uploads?limit=%d" % (1 + number % 7) if number % 50 == 0 else b"/health" for number in range(2000)]
    connection.send(b"".join(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path for path in paths))
    for path in paths:
        assert (b"uploads" in connection.next().body) == path.startswith(b"/uploads")


def test_connection_above_the_limit_closes_the_longest_idle_one(tmp_path: Path, certificates: Path | None) -> None:
    with running_uploader(tmp_path, certificates=certificates, max_connections=8) as server, ExitStack() as stack:
        idle = [stack.enter_context(connected(server.port, tls=server.client_tls)) for _ in range(20)]
        with connected(server.port, tls=server.client_tls) as late:
            late.send(HEALTH)
            assert late.next().status == 200
        assert idle[0].is_closed()


def test_connection_is_refused_when_all_are_busy(tmp_path: Path, certificates: Path | None) -> None:
    body = body_of()
    with running_uploader(tmp_path, certificates=certificates, max_connections=8) as server, ExitStack() as stack:
        busy = [stack.enter_context(connected(server.port, tls=server.client_tls)) for _ in range(8)]
        for upload_of in busy:
            upload_of.send(upload_head(body, b"Expect: 100-continue"))
            assert upload_of.next_of_all().status == 100
        with connected(server.port, tls=server.client_tls) as late:
            assert late.next().problem["code"] == "too_many_connections"
        for upload_of in busy:
            upload_of.send(body)
            assert upload_of.next().status == 202


def test_download_that_nobody_reads_makes_room_when_all_are_busy(tmp_path: Path) -> None:
    with running_uploader(tmp_path, max_connections=8) as server, ExitStack() as stack:
        with connected(server.port) as sender:
            sender.send(upload(body_of(b"id\n" + b"1\n" * (10 * BYTES_PER_MB))))
            upload_id = json.loads(sender.next().body)["upload_id"]
        download = b"GET /chunks/%s/1/download HTTP/1.1\r\nHost: localhost\r\n\r\n" % upload_id.encode()
        for _ in range(8):
            stack.enter_context(connected(server.port)).send(download)

        def is_answered() -> bool:
            with connected(server.port) as late:
                late.send(HEALTH)
                try:
                    return late.next().status == 200
                except ConnectionError:  # refused, with the request unread
                    return False

        wait_until(is_answered, what="a download that nobody reads is closed", deadline_s=30, poll_s=0.2)


# Bodies


def put_state(*framing: bytes) -> bytes:
    return b"\r\n".join([b"PUT /chunks/%s/1/state HTTP/1.1" % (b"a" * 32), b"Host: localhost", *framing, b"", b""])


def test_small_body_is_limited_by_its_content_length(connection: Connection) -> None:
    connection.send(put_state(b"Content-Length: 600000000"))
    answer = connection.next()
    assert answer.problem["code"] == "body_too_large"
    assert answer.problem["max_body_bytes"] == 64 * 1024


def test_small_chunked_body_is_limited_while_it_arrives(connection: Connection) -> None:
    connection.send(put_state(b"Transfer-Encoding: chunked") + in_chunks(b" " * 70_000).removesuffix(b"0\r\n\r\n"))
    assert connection.next().problem["code"] == "body_too_large"
    assert connection.is_closed()


@pytest.mark.parametrize(
    "target", [b"DELETE /uploads/%s" % (b"a" * 32), b"GET /health", b"POST /nothing", b"PUT /upload/csv"]
)
def test_body_of_every_other_request_is_limited(connection: Connection, target: bytes) -> None:
    connection.send(target + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n")
    assert connection.next().status == 413


def test_body_at_the_limit_is_accepted(connection: Connection) -> None:
    connection.send(put_state(b"Content-Length: 65536", b"Content-Type: application/json") + b" " * 65536 + HEALTH)
    assert [connection.next().status for _ in range(2)] == [422, 200]


# Half-closed connections, and bytes after a request


@FRAMINGS
def test_half_closed_upload_is_answered(plain: RunningUploader, chunked: bool) -> None:
    for number in range(20):
        with connected(plain.port) as connection:
            connection.send(upload(body_of(ROWS[: 1000 * number + 9]), chunked=chunked))
            connection.end_sending()
            assert connection.next().status in {202, 400}
            assert connection.is_closed()


def test_half_closed_connection_gets_all_responses(plain_connection: Connection) -> None:
    plain_connection.send(HEALTH + upload(body_of()) + HEALTH + b"GET /heal")
    plain_connection.end_sending()
    assert [plain_connection.next().status for _ in range(3)] == [200, 202, 200]
    assert plain_connection.is_closed()


def test_half_closed_download_is_complete(plain_connection: Connection) -> None:
    plain_connection.send(upload(body_of(b"id\n" + b"1\n" * (2 * BYTES_PER_MB))))
    upload_id = json.loads(plain_connection.next().body)["upload_id"]
    plain_connection.send(b"GET /chunks/%s/1/download HTTP/1.1\r\nHost: localhost\r\n\r\n" % upload_id.encode())
    plain_connection.end_sending()
    assert len(plain_connection.next().body) == 3 + 4 * BYTES_PER_MB


@FRAMINGS
@pytest.mark.parametrize(
    "behind", [b"--\r\n", b"\x00" * 100_000, b"GET / HTTP/9.9\r\n\r\n"], ids=["line", "zeros", "http"]
)
def test_bytes_after_an_upload_do_not_prevent_its_response(
    plain: RunningUploader, plain_connection: Connection, chunked: bool, behind: bytes
) -> None:
    plain_connection.send(upload(body_of(), chunked=chunked) + behind)
    accepted = plain_connection.next()
    assert accepted.status == 202
    plain_connection.end_sending()
    upload_id = json.loads(accepted.body)["upload_id"]
    with connected(plain.port) as other:
        other.send(b"GET /uploads/%s/status HTTP/1.1\r\nHost: localhost\r\n\r\n" % upload_id.encode())
        assert other.next().status == 200


def test_malformed_chunk_is_refused_and_leaves_no_files(uploader: RunningUploader, connection: Connection) -> None:
    before = uploader.files()
    connection.send(upload(body_of(), chunked=True)[:100_000] + b"\r\nXYZ\r\n" * 100)
    assert connection.next().status == 400
    assert connection.is_closed()
    wait_until(lambda: uploader.files() == before, what="nothing remains", deadline_s=20, poll_s=0.01)


def test_refusal_before_100_continue_closes_the_connection(connection: Connection) -> None:
    head = upload_head(body_of(), b"Expect: 100-continue").replace(b"multipart/form-data", b"text/plain")
    connection.send(head)
    answer = connection.next_of_all()
    assert (answer.status, answer.headers["connection"]) == (415, "close")


def test_one_byte_chunks_do_not_block_other_connections(plain_connection: Connection) -> None:
    body = body_of(ROWS[:100_000].rpartition(b"\r\n")[0])
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    plain_connection.send(upload_head(body, chunked=True) + pieces + HEALTH)
    plain_connection.end_sending()
    assert [plain_connection.next().status for _ in range(2)] == [202, 200]
    assert plain_connection.is_closed()
