"""Resumable uploads: throughput, work after the last byte, CPU and memory, beside the plain upload and tusd.

``python -m benchmarks.resumable`` sends 1 GB three times to each target, in turn, as the speed of a shared machine
drifts. "of plain" is the median of the rounds' ratios to the plain upload cut by size. "After the last byte" is the
time from the last byte sent to the response that names the upload, in seconds a GB. MB and GB are 10^6 and 10^9 bytes.
``--tusd`` builds tusd, unless it is on the PATH. It stores the bytes in one file and does nothing else: it neither
checks, cuts and hashes them nor waits until they are on disk. It shows what the protocol costs, not the same work.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmarks.http_client import HOST, multipart
from benchmarks.server_process import Server, Start, uvicorn
from benchmarks.tusd import find_tusd, tusd
from benchmarks.upload import make_csv
from benchmarks.warm_memory import warm_memory
from csvpipe.commands.serve import HTTP_PROTOCOL

_MB, _GB = 10**6, 10**9
_PIECE_BYTES = 8 * 1024 * 1024
_HEAD = "| target | MB/s best | median | of plain | after the last byte, s/GB | CPU s/GB | peak RSS MB |"


@dataclass(frozen=True)
class Sent:
    """Seconds of one upload: all of it, and what came after its last byte."""

    seconds: float
    after_s: float


@dataclass(frozen=True)
class Trial:
    """One upload and what it cost the server."""

    sent: Sent
    cpu_seconds: float
    peak_rss_mb: float


Send = Callable[[Path, int], Sent]
"""Sends a file to a port."""


def send_plainly(path: Path, port: int) -> Sent:
    """Send the file by ``POST /upload/csv``, cut by size."""
    head, tail = multipart(dataset_name="benchmark", chunk_type="size", chunk_size=50)(path)
    with _Connection(port) as connection:
        started = time.perf_counter()
        connection.send(head, path, 0, path.stat().st_size, tail)
        sent = time.perf_counter()
        connection.answer()
        return Sent(time.perf_counter() - started, time.perf_counter() - sent)


def send_in_pieces(piece_bytes: int, **fields: object) -> Send:
    """Return a function that creates an upload, and sends the file in ``PATCH`` requests on one connection."""
    told = ",".join(f"{name} {b64encode(str(value).encode()).decode()}" for name, value in fields.items())

    def send(path: Path, port: int) -> Sent:
        size_bytes = path.stat().st_size
        with _Connection(port) as connection:
            started = time.perf_counter()
            more = f"Upload-Length: {size_bytes}\r\nUpload-Metadata: {told}\r\n"
            connection.send(_head("POST /files/", 0, more))
            location = connection.answer()["location"].removeprefix(f"http://{HOST}:{port}")
            for offset in range(0, size_bytes, piece_bytes):
                length = min(piece_bytes, size_bytes - offset)
                more = f"Upload-Offset: {offset}\r\nContent-Type: application/offset+octet-stream\r\n"
                connection.send(_head(f"PATCH {location}", length, more), path, offset, length)
                sent = time.perf_counter()
                connection.answer()
            return Sent(time.perf_counter() - started, time.perf_counter() - sent)

    return send


class _Connection:
    """A connection that sends parts of a file by ``sendfile``."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, head: bytes, path: Path | None = None, offset: int = 0, length: int = 0, tail: bytes = b"") -> None:
        self._socket.sendall(head)
        if path is not None:
            end = offset + length
            with path.open("rb") as file:
                while offset < end:
                    offset += os.sendfile(self._socket.fileno(), file.fileno(), offset, end - offset)
        self._socket.sendall(tail)

    def answer(self) -> dict[str, str]:
        """Read a response; return its headers, names in lower case."""
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = self._socket.recv(65536)
            if not piece:
                raise RuntimeError(f"the connection ended: {answer!r}")
            answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"the upload was not taken: {answer[:2000]!r}")
        lines = head.decode("latin-1").split("\r\n")[1:]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        left = int(headers.get("content-length", "0")) - len(body)
        while left > 0:
            left -= len(self._socket.recv(65536))
        return headers


def _head(line: str, length: int, more: str) -> bytes:
    return (
        f"{line} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nContent-Length: {length}\r\n{more}\r\n"
    ).encode()


def targets(tusd_program: str | None) -> list[tuple[str, Start, Send]]:
    """Return name, server and client of each target, the plain upload first; tusd if there is a program."""
    ours = uvicorn(
        "benchmarks.baselines.without_kafka:make_app",
        *("--factory", "--http", HTTP_PROTOCOL),
        TEMP_DIR="{directory}/chunks",
        ACCESS="open",
    )
    by_size = {"dataset_name": "benchmark", "chunk_type": "size", "chunk_size": 50}
    by_count = {"dataset_name": "benchmark", "chunk_type": "count", "chunk_size": 20}
    found = [
        ("plain, by size", ours, send_plainly),
        ("resumable, one PATCH, by size", ours, send_in_pieces(2**40, **by_size)),
        ("resumable, one PATCH, by count", ours, send_in_pieces(2**40, **by_count)),
        ("resumable, PATCHes of 8 MiB, by size", ours, send_in_pieces(_PIECE_BYTES, **by_size)),
    ]
    if tusd_program is None:
        print("tusd is skipped: it is not on the PATH; --tusd builds it")
    else:
        start = tusd(tusd_program)
        found.append(("tusd, one PATCH", start, send_in_pieces(2**40, filename="source.csv")))
        found.append(("tusd, PATCHes of 8 MiB", start, send_in_pieces(_PIECE_BYTES, filename="source.csv")))
    return found


def trial(server: Server, send: Send, path: Path, directory: Path) -> Trial:
    """Send the file once, to a server whose disk has been emptied, on a machine that has the memory already."""
    for written in directory.rglob("*"):
        if written.is_file() and written.stat().st_size > _MB:
            written.unlink()
    warm_memory(directory, 2 * path.stat().st_size + 200 * _MB)
    os.sync()  # otherwise this trial also writes the data of the previous one
    server.reset_peak_rss()
    before = server.cpu_seconds()
    sent = send(path, server.port)
    return Trial(sent, server.cpu_seconds() - before, server.peak_rss_mb())


def line(name: str, size_bytes: int, trials: list[Trial], plain: list[Trial]) -> str:
    """Return a row of the table."""
    rates = [size_bytes / _MB / each.sent.seconds for each in trials]
    share = statistics.median(a.sent.seconds / b.sent.seconds for a, b in zip(plain, trials, strict=True))
    after = statistics.median(each.sent.after_s for each in trials) / (size_bytes / _GB)
    cpu = min(each.cpu_seconds for each in trials) / (size_bytes / _GB)
    rss = max(each.peak_rss_mb for each in trials)
    figures = f"{max(rates):.0f} | {statistics.median(rates):.0f} | {share:.2f} | {after:.2f} | {cpu:.2f} | {rss:.0f}"
    return f"| {name} | {figures} |"


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1000, help="size of the file, in MB")
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--tusd", action="store_true", help="build tusd if it is not on the PATH")
    args = parser.parse_args()
    program = find_tusd(build=args.tusd)
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {args.size} MB, {args.trials} trials")
    with ExitStack() as running:
        root = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-resumable-")))
        source = root / "source.csv"
        make_csv(source, size_bytes=args.size * _MB, line_end="\n")
        contenders = []
        for number, (name, start, send) in enumerate(targets(program)):
            directory = root / str(number)
            directory.mkdir()
            contenders.append((name, running.enter_context(start(directory)), send, directory))
        trials: dict[str, list[Trial]] = {name: [] for name, *_ in contenders}
        for turn in range(args.trials):
            for name, server, send, directory in contenders:
                trials[name].append(trial(server, send, source, directory))
                seconds = trials[name][-1].sent.seconds
                print(f"round {turn + 1}: {name}: {args.size / seconds:.0f} MB/s", file=sys.stderr, flush=True)
        print(f"\n{_HEAD}\n|---|---|---|---|---|---|---|")
        for name, found in trials.items():
            print(line(name, source.stat().st_size, found, trials[contenders[0][0]]), flush=True)


if __name__ == "__main__":
    main()
