"""The cost of slow clients: latency of ``GET /health`` and memory of the uploader, before, during and after.

``python -m benchmarks.slow_clients`` starts the uploader on the loopback, without Kafka. A thousand clients stay
connected after one request, and a thousand are slow: a third sends the head of a request byte by byte, a third the body
of an upload, a third requests a chunk and does not read it. They come within ten seconds, and whoever is disconnected
comes back. Each probe of ``/health`` has a connection of its own, as those of Kubernetes. Goal: its latency stays at
its usual level, and memory flat. MB are of 10^6 bytes.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import platform
import random
import select
import socket
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

from benchmarks.attacks import upload
from benchmarks.http_client import BOUNDARY, HOST, p50_p99_max, probing_health
from benchmarks.server_process import Server, uploader
from uploader.runtime.open_file_limit import raise_open_file_limit

_IDLE = 1000
_SLOW = 1000
_QUIET_S = 5.0
_HELD_S = 45.0
"""Longer than REQUEST_TIMEOUT_S, so that slow heads are refused meanwhile."""
_TURN_S = 1.0
_COMING_S = 10.0
_PACE = 100
"""Into so many parts a turn is divided, as clients do not act all at once."""
_HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
_SLOW_HEAD = b"GET /health HTTP/1.1\r\nName: "
_SLOW_BODY = (
    f"POST /upload/csv?dataset_name=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n"
    f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n--{BOUNDARY}\r\n"
).encode()


@dataclass
class _Client:
    """A client that never reads, and connects again whenever it is disconnected."""

    kind: str
    says: bytes
    trickles: bool = False
    """Whether it sends another byte at every turn."""
    peer: socket.socket | None = None

    def turn(self, port: int) -> bool:
        """Do what this client does once a second; return whether it has been disconnected."""
        if self.peer is None:
            self.peer = _connected(port)
            return not self._send(self.says)
        gone = select.poll()
        gone.register(self.peer, select.POLLRDHUP)
        if not gone.poll(0) and (not self.trickles or self._send(b"a")):
            return False
        self.peer.close()
        self.peer = None
        return True

    def _send(self, data: bytes) -> bool:
        assert self.peer is not None
        try:
            self.peer.sendall(data)
        except OSError:
            return False
        return True


def _connected(port: int) -> socket.socket:
    return socket.create_connection((HOST, port), timeout=30)


def _clients(upload_id: str) -> list[_Client]:
    download = f"GET /chunks/{upload_id}/1/download HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    slow = [("slow head", _SLOW_HEAD, True), ("slow body", _SLOW_BODY, True), ("unread download", download, False)]
    idle = [_Client("idle", _HEALTH) for _ in range(_IDLE)]
    return idle + [_Client(*slow[number % len(slow)]) for number in range(_SLOW)]


def _attack(port: int, upload_id: str, connected: Event, stop: Event, disconnections: Queue[Counter[str]]) -> None:
    """Be all clients, until ``stop`` is set (a process)."""
    raise_open_file_limit()
    clients, closed, began = _clients(upload_id), Counter[str](), time.monotonic()
    random.shuffle(clients)
    for part in itertools.count():
        if stop.wait(max(0.0, began + part * _TURN_S / _PACE - time.monotonic())):
            break
        here = int(len(clients) * min(1.0, part * _TURN_S / _PACE / _COMING_S))
        closed.update(client.kind for client in clients[:here][part % _PACE :: _PACE] if client.turn(port))
        if here == len(clients):
            connected.set()
    disconnections.put(closed)


def _measure(server: Server, phase: str, seconds: float) -> str:
    """Call ``/health`` for a while and return the row of the table."""
    with probing_health(server.port, connect_each=True) as latencies_ms:
        time.sleep(seconds)
    p50, p99, longest = p50_p99_max(latencies_ms)
    return f"| {phase} | {len(latencies_ms)} | {p50:.1f} | {p99:.1f} | {longest:.1f} | {server.rss_mb():.0f} |"


def main() -> None:
    """Run the uploader with its defaults, and print the table."""
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    raise_open_file_limit()
    processes = multiprocessing.get_context("spawn")
    connected, stop, disconnections = processes.Event(), processes.Event(), processes.Queue()
    with tempfile.TemporaryDirectory(prefix="benchmark-slow-") as directory, uploader()(Path(directory)) as server:
        print("\n| phase | probes | /health ms p50 | p99 | max | RSS MB |\n|---|---:|---:|---:|---:|---:|")
        upload_id = upload(server.port)
        print(_measure(server, "before", _QUIET_S), flush=True)
        attack = processes.Process(
            target=_attack, args=(server.port, upload_id, connected, stop, disconnections), daemon=True
        )
        attack.start()
        print(_measure(server, "while they come", _COMING_S), flush=True)
        connected.wait()
        print(_measure(server, f"{_IDLE} idle and {_SLOW} slow clients", _HELD_S), flush=True)
        stop.set()
        closed = disconnections.get()
        attack.join()
        print(_measure(server, "after", _QUIET_S), flush=True)
    print("\nDisconnected: " + ", ".join(f"{count} times {kind}" for kind, count in sorted(closed.items())))


if __name__ == "__main__":
    main()
