"""How fast does an upload go in, and what does it cost? This project beside its peers, in one run.

``python -m benchmarks.upload --sizes 50,1024,5120 --modes size,rows,count --line-ends lf,crlf``

Every target gets the same file from the same client (``sendfile``, from the page cache) over the loopback. MB/s is the
file's size by the time from connect to the answer. CPU is that of the server's process alone, in seconds by GB: it
says what a busy machine hides. Peak RSS is the process's high-water mark during the upload. Latency is that of
``GET /health``, asked every 5 ms. Ours is fsynced when it answers, no peer's is.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.http_client import MakeRequest, multipart, probing_health, put, send, tus
from benchmarks.server_process import Server, Start, nginx, tusd, uvicorn
from contracts.names import BYTES_PER_MB

_CHUNK_SIZES = {"size": 50, "rows": 500_000, "count": 20}
_WARM_UP_MB = 4
_HEAD = "| target | MB/s best | median | of raw | CPU s/GB | peak RSS MB | /health ms p50 / p99 / max |"


@dataclass(frozen=True)
class Trial:
    """One upload, measured."""

    seconds: float
    cpu_seconds: float
    peak_rss_mb: float
    latencies_ms: list[float]


@dataclass(frozen=True)
class Target:
    """A server, and how a file is sent to it."""

    name: str
    start: Start
    request: MakeRequest
    has_health: bool = True


def make_csv(path: Path, *, size_bytes: int, line_end: str) -> None:
    """Write rows like those of a flight table, with a quoted field in each tenth, up to about ``size_bytes``."""
    rows = []
    for i in range(10_000):
        origin = "EWR" if i % 10 else '"New York, NY"'
        rows.append(
            f"2013,{i % 12 + 1},{i % 28 + 1},517,{500 + i % 97},{i % 60},830,819,{i % 40},UA,{1500 + i % 700},"
            f"N{14000 + i},{origin},IAH,{200 + i % 99},1400,5,{i % 60},2013-01-01 05:00:00"
        )
    block = (line_end.join(rows) + line_end).encode()
    with path.open("wb") as file:
        file.write((",".join(f"column_{i}" for i in range(19)) + line_end).encode())
        while file.tell() < size_bytes:
            file.write(block)


def measure(target: Target, path: Path, *, directory: Path, trials: int) -> list[Trial]:
    """Upload ``path`` to ``target`` a few times, after one small upload."""
    warm_up = path.with_name("warm-up.csv")
    make_csv(warm_up, size_bytes=_WARM_UP_MB * BYTES_PER_MB, line_end="\n")
    with target.start(directory) as server:
        send(warm_up, port=server.port, request=target.request)
        results = [_trial(target, server, path, directory) for _ in range(trials)]
    shutil.rmtree(directory)
    directory.mkdir()
    return results


def _trial(target: Target, server: Server, path: Path, directory: Path) -> Trial:
    for written in directory.rglob("*"):
        if written.is_file() and written.stat().st_size > BYTES_PER_MB:
            written.unlink()
    os.sync()  # what the trial before left is not for this one to write
    server.reset_peak_rss()
    cpu_before = server.cpu_seconds()
    latencies_ms: list[float] = []
    with ExitStack() as probing:
        if target.has_health:
            latencies_ms = probing.enter_context(probing_health(server.port))
        seconds = send(path, port=server.port, request=target.request)
    return Trial(seconds, server.cpu_seconds() - cpu_before, server.peak_rss_mb(), latencies_ms)


def put_object(path: Path, *, endpoint: str, trials: int) -> list[Trial]:
    """Put the file into a bucket ``benchmark`` by boto3; credentials come from the environment."""
    import boto3  # only where an endpoint is given

    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="benchmark")
    results = []
    for _ in range(trials):
        started, cpu = time.perf_counter(), time.process_time()
        with path.open("rb") as file:
            client.put_object(Bucket="benchmark", Key="stored", Body=file)
        results.append(Trial(time.perf_counter() - started, time.process_time() - cpu, float("nan"), []))
    client.delete_object(Bucket="benchmark", Key="stored")
    client.delete_bucket(Bucket="benchmark")
    return results


def line(name: str, size_mb: float, trials: list[Trial], raw_rate: float | None) -> tuple[str, float]:
    """Return a line of the table, and the best rate."""
    rates = [size_mb / trial.seconds for trial in trials]
    best = max(rates)
    cpu = min(trial.cpu_seconds for trial in trials) / size_mb * 1024
    rss = max(trial.peak_rss_mb for trial in trials)
    latencies = sorted(latency for trial in trials for latency in trial.latencies_ms)
    health = ""
    if latencies:
        p99 = latencies[int(len(latencies) * 0.99)]
        health = f"{statistics.median(latencies):.1f} / {p99:.1f} / {latencies[-1]:.1f}"
    median, share = statistics.median(rates), best / (raw_rate or best)
    return f"| {name} | {best:.0f} | {median:.0f} | {share:.2f} | {cpu:.2f} | {rss:.0f} | {health} |", best


def targets(modes: list[str], *, kafka: str | None, peers: bool) -> list[Target]:
    """Return what to measure, the raw server first."""
    found = [Target("raw body to one file", uvicorn("benchmarks.baselines.raw:app", "--lifespan", "off"), multipart())]
    if kafka is None:
        ours = uvicorn("benchmarks.baselines.receive_only:app")
    else:
        ours = uvicorn("uploader.app:create_app", "--factory", TEMP_DIR="{directory}/chunks", KAFKA_BROKER=kafka)
    for mode in modes:
        request = multipart(dataset_name="benchmark", chunk_type=mode, chunk_size=_CHUNK_SIZES[mode])
        found.append(Target(f"csvpipe, by {mode}", ours, request))
    if peers:
        saved = uvicorn("benchmarks.baselines.upload_file:app")
        found.append(Target("Starlette UploadFile, aiofiles", saved, multipart(dataset_name="benchmark")))
        if shutil.which("nginx"):
            found.append(Target("nginx, PUT to a file", nginx, put, has_health=False))
        if shutil.which("tusd"):
            found.append(Target("tusd, to a file", tusd, tus, has_health=False))
    return found


def run_table(args: argparse.Namespace, source: Path, work: Path) -> None:
    """Measure every target with ``source`` and print the table."""
    size_mb = source.stat().st_size / BYTES_PER_MB
    print(f"\n{_HEAD}\n|---|---|---|---|---|---|---|", flush=True)
    raw_rate: float | None = None
    named: list[tuple[str, Callable[[], list[Trial]]]] = [
        (target.name, partial(measure, target, source, directory=work, trials=args.trials))
        for target in targets(args.modes.split(","), kafka=args.kafka, peers=args.peers)
    ]
    if args.s3_endpoint:
        put_it = partial(put_object, source, endpoint=args.s3_endpoint, trials=args.trials)
        named.append(("boto3 put_object into MinIO (CPU: the client's)", put_it))
    for name, measured in named:
        text, best = line(name, size_mb, measured(), raw_rate)
        raw_rate = raw_rate or best
        print(text, flush=True)


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="50,1024", help="of the files, in MB")
    parser.add_argument("--modes", default="size,rows,count", help="how to cut")
    parser.add_argument("--line-ends", default="lf,crlf")
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--directory", type=Path, help="where the files go; default: a temporary one")
    parser.add_argument("--kafka", help="host:port of a broker: measures the whole uploader")
    parser.add_argument("--s3-endpoint", help="of a MinIO, to measure boto3 as well")
    parser.add_argument("--no-peers", dest="peers", action="store_false", help="measure only raw and ours")
    args = parser.parse_args()
    python = platform.python_version()
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Python {python}")
    with tempfile.TemporaryDirectory(dir=args.directory, prefix="benchmark-upload-") as root:
        source, work = Path(root) / "source.csv", Path(root) / "work"
        Path(root).chmod(0o755)
        work.mkdir()
        for size in map(int, args.sizes.split(",")):
            for name in args.line_ends.split(","):
                make_csv(source, size_bytes=size * BYTES_PER_MB, line_end={"lf": "\n", "crlf": "\r\n"}[name])
                print(f"\n{size} MB, {name.upper()}, {args.trials} trials")
                run_table(args, source, work)


if __name__ == "__main__":
    main()
