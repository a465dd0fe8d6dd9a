"""How fast does an upload go in, and what does it cost? This project beside its peers, in one run.

``python -m benchmarks.upload --sizes 50,1024 --modes size,rows,count --line-ends lf,crlf``

Every target gets the same file from the same client (``sendfile`` on a socket, from the page cache) over the loopback.
MB/s is the file's size by the time from connect to the answer; peak RSS is the server process's high-water mark during
that upload; latency is that of ``GET /health`` every 5 ms on a connection of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

BYTES_PER_MB = 1024 * 1024
_BOUNDARY = "csvpipe-benchmark"
_CHUNKING = {"size": 50, "rows": 500_000, "count": 20}


@dataclass
class Trial:
    """One upload, measured."""

    seconds: float
    cpu_seconds: float
    peak_rss_mb: float
    latencies_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Target:
    """Something that takes a file: how to start it, and how to send to it."""

    name: str
    start: Callable[[Path], contextlib.AbstractContextManager[tuple[int, int]]]
    request: Callable[[Path], tuple[bytes, bytes]]
    has_health: bool = True


def make_csv(path: Path, *, size_bytes: int, line_end: str) -> None:
    """Write rows like those of a flight table, a quoted field in each tenth, up to about ``size_bytes``."""
    rows = [
        f"2013,{i % 12 + 1},{i % 28 + 1},517,{500 + i % 97},{i % 60},830,819,{i % 40},UA,{1500 + i % 700},N{14000 + i},"
        f"{'EWR' if i % 10 else chr(34) + 'New York, NY' + chr(34)},IAH,{200 + i % 99},1400,5,{i % 60},2013-01-01 05:00:00"
        for i in range(10_000)
    ]
    block = (line_end.join(rows) + line_end).encode()
    with path.open("wb") as file:
        file.write((",".join(f"column_{i}" for i in range(19)) + line_end).encode())
        while file.tell() < size_bytes:
            file.write(block)


def multipart(**fields: object) -> Callable[[Path], tuple[bytes, bytes]]:
    """Return what makes head and tail of a POST with ``fields`` in front of the file."""

    def make(path: Path) -> tuple[bytes, bytes]:
        parts = "".join(
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        )
        parts += f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n\r\n'
        tail = f"\r\n--{_BOUNDARY}--\r\n".encode()
        length = len(parts) + path.stat().st_size + len(tail)
        head = (
            f"POST /upload/csv HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n"
            f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n\r\n"
        )
        return (head + parts).encode(), tail

    return make


def put(path: Path) -> tuple[bytes, bytes]:
    """Return the head of a plain PUT."""
    size_bytes = path.stat().st_size
    head = f"PUT /stored HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {size_bytes}\r\n\r\n"
    return head.encode(), b""


def send(path: Path, *, port: int, request: Callable[[Path], tuple[bytes, bytes]]) -> float:
    """Send the file; return the seconds from connect to the complete answer."""
    head, tail = request(path)
    with path.open("rb") as file, socket.socket() as connection:
        started = time.perf_counter()
        connection.connect(("127.0.0.1", port))
        connection.sendall(head)
        offset, size_bytes = 0, path.stat().st_size
        while offset < size_bytes:
            offset += os.sendfile(connection.fileno(), file.fileno(), offset, size_bytes - offset)
        connection.sendall(tail)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        seconds = time.perf_counter() - started
    status = answer.split(b" ", 2)[1:2]
    if not status or not status[0].startswith(b"2"):
        raise RuntimeError(f"the upload was not taken: {answer[:2000]!r}")
    return seconds


class HealthProbe:
    """Asks ``GET /health`` every 5 ms while it is entered."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.latencies_ms: list[float] = []

    def __enter__(self) -> HealthProbe:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as connection:
            while not self._stop.wait(0.005):
                started = time.perf_counter()
                connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                if not _read_answer(connection):
                    return
                self.latencies_ms.append((time.perf_counter() - started) * 1000)


def _read_answer(connection: socket.socket) -> bool:
    """Read one whole answer; False: the server has closed the connection."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(65536)
        if not piece:
            return False
        answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    return True


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_rss_mb(pid: int) -> float:
    """Return the high-water mark since :func:`reset_peak_rss`."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no VmHWM of process {pid}")


def reset_peak_rss(pid: int) -> None:
    """Let the high-water mark start anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(command: list[str], *, port: int, env: dict[str, str], log: Path) -> Iterator[tuple[int, int]]:
    """Run a server; give its port and process id once it listens."""
    with log.open("ab") as output:
        server = subprocess.Popen(command, env={**os.environ, **env}, stdout=output, stderr=output)  # noqa: S603  ours
    try:
        deadline = time.monotonic() + 60
        while True:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start: {log.read_text()[-2000:]}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield port, server.pid
    finally:
        server.terminate()
        server.wait(30)


def uvicorn(
    app: str, *options: str, **env: str
) -> Callable[[Path], contextlib.AbstractContextManager[tuple[int, int]]]:
    """Return what starts ``app`` in uvicorn with httptools and uvloop, one worker."""

    def start(directory: Path) -> contextlib.AbstractContextManager[tuple[int, int]]:
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--loop", "uvloop", "--http", "httptools"]
        command += ["--log-level", "warning", *options]
        given = {name: value.format(directory=directory) for name, value in env.items()}
        return process(command, port=port, env={"BENCH_DIR": str(directory), **given}, log=directory / "server.log")

    return start


def nginx(directory: Path) -> contextlib.AbstractContextManager[tuple[int, int]]:
    """Start nginx, which stores a PUT in one file by WebDAV. Its RSS is not measured: master and worker differ."""
    port = free_port()
    stored = directory / "nginx"
    stored.mkdir(exist_ok=True)
    os.chmod(directory, 0o755)  # noqa: S103  its worker is another user
    config = directory / "nginx.conf"
    config.write_text(
        "user root; daemon off; master_process off; worker_processes 1; error_log stderr;\n"
        f"pid {directory}/nginx.pid;\nevents {{}}\n"
        f"http {{ access_log off; client_max_body_size 0; client_body_temp_path {stored}/tmp;\n"
        f"server {{ listen 127.0.0.1:{port}; root {stored}; location / {{ dav_methods PUT; }} }} }}\n"
    )
    return process(["nginx", "-c", str(config), "-p", str(directory)], port=port, env={}, log=directory / "server.log")


def measure(target: Target, path: Path, *, directory: Path, trials: int) -> list[Trial]:
    """Upload ``path`` to ``target`` a few times, cold caches apart."""
    results = []
    with target.start(directory) as (port, pid):
        warm = directory / "warm.csv"
        make_csv(warm, size_bytes=4 * BYTES_PER_MB, line_end="\n")
        send(warm, port=port, request=target.request)
        for _ in range(trials):
            subprocess.run(["sync"], check=True)  # noqa: S607  what the trial before left is not this one's to write
            reset_peak_rss(pid)
            cpu_before = cpu_seconds(pid)
            with HealthProbe(port) if target.has_health else contextlib.nullcontext() as probe:
                seconds = send(path, port=port, request=target.request)
            results.append(
                Trial(seconds, cpu_seconds(pid) - cpu_before, peak_rss_mb(pid), probe.latencies_ms if probe else [])
            )
    for left in directory.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    return results


def report(name: str, size_mb: float, trials: list[Trial], raw: float | None) -> float:
    """Print one line of the table; return the best MB/s."""
    rates = [size_mb / trial.seconds for trial in trials]
    latencies = sorted(latency for trial in trials for latency in trial.latencies_ms)
    best = max(rates)
    health = ""
    if len(latencies) > 1:
        p50, p99 = statistics.median(latencies), latencies[int(len(latencies) * 0.99)]
        health = f"{p50:5.1f} / {p99:5.1f} / {latencies[-1]:6.1f}"
    print(
        f"| {name:<28} | {best:6.0f} | {statistics.median(rates):6.0f} | {best / (raw or best):5.2f} "
        f"| {min(trial.cpu_seconds for trial in trials) / size_mb * 1024:8.2f} "
        f"| {max(trial.peak_rss_mb for trial in trials):6.0f} | {health:<22} |",
        flush=True,
    )
    return best


def targets(args: argparse.Namespace) -> list[Target]:
    """Return what to measure, the raw server first."""
    found = [Target("raw body to one file", uvicorn("benchmarks.baselines.raw:app", "--lifespan", "off"), multipart())]
    for mode in args.modes.split(","):
        request = multipart(dataset_name="bench", chunk_type=mode, chunk_size=_CHUNKING[mode])
        app = uvicorn("benchmarks.baselines.receive_only:app")
        found.append(Target(f"csvpipe, by {mode}", app, request))
    if args.peers:
        found.append(
            Target(
                "Starlette UploadFile, aiofiles",
                uvicorn("benchmarks.baselines.upload_file:app"),
                multipart(dataset_name="bench"),
            )
        )
        if shutil.which("nginx"):
            found.append(Target("nginx, PUT", nginx, put, has_health=False))
    return found


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="50,1024", help="file sizes in MB")
    parser.add_argument("--modes", default="size,rows,count")
    parser.add_argument("--line-ends", default="lf,crlf")
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--directory", type=Path, default=None, help="where to put the files; default: a temporary one")
    parser.add_argument("--no-peers", dest="peers", action="store_false")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.directory, prefix="bench-upload-") as root:
        source = Path(root) / "source.csv"
        work = Path(root) / "work"
        work.mkdir()
        for size in map(int, args.sizes.split(",")):
            for line_end in args.line_ends.split(","):
                make_csv(source, size_bytes=size * BYTES_PER_MB, line_end={"lf": "\n", "crlf": "\r\n"}[line_end])
                size_mb = source.stat().st_size / BYTES_PER_MB
                print(f"\n{size_mb:.0f} MB, {line_end.upper()}, {args.trials} trials\n")
                print("| target | MB/s best | median | of raw | CPU s/GB | peak RSS MB | /health ms p50 / p99 / max |")
                print("|---|---|---|---|---|---|---|")
                raw = None
                for target in targets(args):
                    trials = measure(target, source, directory=work, trials=args.trials)
                    best = report(target.name, size_mb, trials, raw)
                    raw = raw or best


if __name__ == "__main__":
    main()
