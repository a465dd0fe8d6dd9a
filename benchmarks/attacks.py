"""The cost of hostile clients: the uploader's memory, and the latency of ``GET /health`` during each attack.

``python -m benchmarks.attacks`` starts the uploader on the loopback, without Kafka, and lets one attack after another
at it, each bounded in bytes, connections and seconds. Goal: memory stays flat, and ``/health`` answers within 50 ms.
MB are of 10^6 bytes; growth is the high-water mark of the process during the attack above what it had before.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.http_client import BOUNDARY, HOST, p50_p99_max, probing_health
from benchmarks.server_process import Server, uploader
from uploader.runtime.open_file_limit import raise_open_file_limit

_MB = 10**6
_FLOOD_MB = 50
_CONNECTIONS = 300
_LONGEST_S = 10.0
_SHORTEST_S = 1.0
"""Duration of an attack. One that is refused immediately is repeated for as long."""
_CHUNK_MB = 20
_HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
_STATE = b"PUT /chunks/" + b"a" * 32 + b"/1/state HTTP/1.1\r\nHost: localhost\r\n"
_HIDDEN = b"DELETE /uploads/" + b"a" * 32 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
Attack = Callable[[int], None]
"""Attacks the server on the given port."""


def flood(start: bytes, repeated: bytes) -> Attack:
    """Return an attack that sends ``start``, then ``repeated`` until the server stops accepting it."""
    piece = repeated * (65536 // len(repeated))

    def attack(port: int) -> None:
        with connection(port) as peer, contextlib.suppress(OSError):
            peer.sendall(start)
            for _ in range(_FLOOD_MB * _MB // len(piece)):
                peer.sendall(piece)

    return attack


def hold(said: bytes, *, every_s: float | None = None) -> Attack:
    """Return an attack by many connections that send ``said``, then one byte every ``every_s`` seconds."""

    def attack(port: int) -> None:
        with ExitStack() as stack:
            peers = [stack.enter_context(connection(port)) for _ in range(_CONNECTIONS)]
            for peer in peers:
                with contextlib.suppress(OSError):
                    peer.sendall(said)
            deadline = time.monotonic() + _LONGEST_S
            while time.monotonic() < deadline:
                time.sleep(every_s or _LONGEST_S)
                for peer in peers if every_s else ():
                    with contextlib.suppress(OSError):
                        peer.sendall(b"a")

    return attack


def read_nothing(port: int) -> None:
    """Request a chunk on many connections without reading the responses."""
    upload_id = upload(port)
    hold(f"GET /chunks/{upload_id}/1/download HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())(port)


def offer_upgrades(port: int) -> None:
    """Smuggle requests in the bodies of requests that offer a protocol upgrade."""
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    for _ in range(_CONNECTIONS):
        with connection(port) as peer, contextlib.suppress(OSError):
            peer.sendall(head + b"Content-Length: %d\r\n\r\n" % len(_HIDDEN) + _HIDDEN)
            peer.recv(65536)


ATTACKS: dict[str, Attack] = {
    "a head of short lines": flood(b"GET /health HTTP/1.1\r\n", b"a:b\r\n"),
    "one header without end": flood(b"GET /health HTTP/1.1\r\nName: ", b"a"),
    "an address without end": flood(b"GET /", b"a"),
    "trailers without end": flood(_STATE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a:b\r\n"),
    "pipelined requests": flood(b"", _HEALTH),
    "a large body of a small call": flood(_STATE + b"Content-Length: %d\r\n\r\n" % (_FLOOD_MB * _MB), b" "),
    "the same in chunks of a byte": flood(_STATE + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "an upload in chunks of a byte": flood(
        "POST /upload/csv?dataset_name=a HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Transfer-Encoding: chunked\r\n\r\n{len(BOUNDARY) + 2:x}\r\n--{BOUNDARY}\r\n".encode(),
        b"1\r\n \r\n",
    ),
    "silent connections": hold(b""),
    "heads that trickle": hold(b"GET /health HTTP/1.1\r\nName: ", every_s=1),
    "downloads that nobody reads": read_nothing,
    "offers of another protocol": offer_upgrades,
}


def upload(port: int) -> str:
    """Upload a file of one chunk and return the upload id."""
    content = b"id\n" + b"1\n" * (_CHUNK_MB * _MB // 2)
    parts = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'.encode()
    body = parts + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    head = (
        "POST /upload/csv?dataset_name=a HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with connection(port) as peer:
        peer.settimeout(60)
        peer.sendall(head.encode() + body)
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["upload_id"])


@contextmanager
def connection(port: int) -> Iterator[socket.socket]:
    """Connect to the server, with a timeout as long as an attack."""
    with socket.create_connection((HOST, port), timeout=_LONGEST_S) as peer:
        yield peer


def measure(server: Server, attack: Attack) -> str:
    """Run one attack and return its table cells."""
    server.reset_peak_rss()
    before_mb, cpu_before, started = server.peak_rss_mb(), server.cpu_seconds(), time.perf_counter()
    with probing_health(server.port) as latencies_ms:
        while time.perf_counter() - started < _SHORTEST_S:
            attack(server.port)
        seconds = time.perf_counter() - started
    grown = server.peak_rss_mb() - before_mb
    p50, p99, longest = p50_p99_max(latencies_ms)
    cpu = server.cpu_seconds() - cpu_before
    return f"{seconds:.1f} | {grown:.0f} | {cpu:.1f} | {p50:.0f} / {p99:.0f} / {longest:.0f}"


def main() -> None:
    """Run every attack and print the table."""
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    raise_open_file_limit()
    with tempfile.TemporaryDirectory(prefix="benchmark-attacks-") as directory, uploader()(Path(directory)) as server:
        upload(server.port)  # the first upload of a process allocates memory once
        print("\n| attack | s | growth MB | CPU s | /health ms p50 / p99 / max |\n|---|---:|---:|---:|---:|")
        for name, attack in ATTACKS.items():
            print(f"| {name} | {measure(server, attack)} |", flush=True)


if __name__ == "__main__":
    main()
