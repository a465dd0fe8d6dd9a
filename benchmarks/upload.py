"""Upload throughput and its cost in CPU and memory, compared with peers in one run.

``python -m benchmarks.upload`` measures 50 MB, 1 GB and 5 GB, each with LF and with CRLF, cut by size, rows and count,
three times; ``--quick`` 1 GB with LF, once. MB and GB are 10^6 and 10^9 bytes, of memory too. Only ``chunk_size`` of a
cut by size counts as the uploader does, in MB of 1024 * 1024 bytes.

All targets are up for a whole table and are measured in turn, one trial each a round, as the speed of a shared machine
drifts; "of raw" is the median of the rounds' ratios.

Every target gets the same file from the same client (``sendfile``, from the page cache) over the loopback. MB/s is the
file's size by the time from connect to the answer. CPU is that of the server's process alone, in seconds by GB: it
says what a busy machine hides. Peak RSS is the process's high-water mark during the upload. Latency is that of
``GET /health``, asked every 5 ms. Ours is fsynced when it answers, no peer's is. boto3 puts the same file into a MinIO
that is started for it; the client, which is left out of the others' CPU, is left out of MinIO's as well.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.http_client import MakeRequest, multipart, p50_p99_max, probing_health, put, send, tus
from benchmarks.minio import Store, given_store, own_store
from benchmarks.server_process import Server, Start, nginx, uploader, uvicorn
from benchmarks.tusd import tusd
from csvpipe.commands.serve import HTTP_PROTOCOL
from stack.errors import StackError

_MB = 10**6
_CHUNK_SIZES = {"size": 50, "rows": 500_000, "count": 20}
_WARM_UP_MB = 4
_QUICK = ["--sizes", "1000", "--line-ends", "lf", "--trials", "1"]
_DISK_FACTOR = 4
"""The file, its spooled copy, its chunks if it is cut by count, and some reserve."""
_HEAD = "| target | MB/s best | median | of raw | CPU s/GB | peak RSS MB | /health ms p50 / p99 / max |"


@dataclass(frozen=True)
class Trial:
    """The measurement of one upload."""

    seconds: float
    cpu_seconds: float
    peak_rss_mb: float
    latencies_ms: list[float]


@dataclass(frozen=True)
class Target:
    """A server and the request that sends a file to it."""

    name: str
    start: Start
    request: MakeRequest
    has_health: bool = True


Measure = Callable[[], Trial]


def make_csv(path: Path, *, size_bytes: int, line_end: str) -> None:
    """Write rows of a flight table, every tenth with a quoted field, up to about ``size_bytes``."""
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


@contextmanager
def contend(target: Target, path: Path, directory: Path) -> Iterator[Measure]:
    """Run ``target`` in ``directory``; yield a function that uploads ``path`` once. Starts with a small upload."""
    directory.mkdir()
    warm_up = path.with_name("warm-up.csv")
    make_csv(warm_up, size_bytes=_WARM_UP_MB * _MB, line_end="\n")
    with target.start(directory) as server:
        send(warm_up, port=server.port, request=target.request)
        yield partial(_trial, target, server, path, directory)
    shutil.rmtree(directory)


def _trial(target: Target, server: Server, path: Path, directory: Path) -> Trial:
    for written in directory.rglob("*"):
        if written.is_file() and written.stat().st_size > _MB:
            written.unlink()
    os.sync()  # otherwise this trial also writes the data of the previous one
    server.reset_peak_rss()
    cpu_before = server.cpu_seconds()
    latencies_ms: list[float] = []
    with ExitStack() as probing:
        if target.has_health:
            latencies_ms = probing.enter_context(probing_health(server.port))
        seconds = send(path, port=server.port, request=target.request)
    return Trial(seconds, server.cpu_seconds() - cpu_before, server.peak_rss_mb(), latencies_ms)


@contextmanager
def contend_with(store: Store, path: Path) -> Iterator[Measure]:
    """Yield a function that puts ``path`` into the store once. Starts with a small object."""
    with store.bucket():
        store.put(path.with_name("warm-up.csv"))
        yield partial(_store_trial, store, path)


def _store_trial(store: Store, path: Path) -> Trial:
    store.clear()
    if store.server is None:
        return Trial(store.put(path), math.nan, math.nan, [])
    store.server.reset_peak_rss()
    cpu_before = store.server.cpu_seconds()
    seconds = store.put(path)
    return Trial(seconds, store.server.cpu_seconds() - cpu_before, store.server.peak_rss_mb(), [])


def line(name: str, size_bytes: int, trials: list[Trial], raw: list[Trial]) -> str:
    """Return a row of the table."""
    rates = [size_bytes / _MB / trial.seconds for trial in trials]
    share = statistics.median(beside.seconds / trial.seconds for trial, beside in zip(trials, raw, strict=True))
    cpu = min(trial.cpu_seconds for trial in trials) / (size_bytes / 1e9)
    rss = max(trial.peak_rss_mb for trial in trials)
    latencies = [latency for trial in trials for latency in trial.latencies_ms]
    health = " / ".join(f"{value:.1f}" for value in p50_p99_max(latencies)) if latencies else "-"
    used = "- | -" if math.isnan(cpu) else f"{cpu:.2f} | {rss:.0f}"
    return f"| {name} | {max(rates):.0f} | {statistics.median(rates):.0f} | {share:.2f} | {used} | {health} |"


def targets(modes: list[str], *, kafka: str | None, peers: bool) -> list[Target]:
    """Return the contenders, the raw server first."""
    found = [Target("raw body to one file", uvicorn("benchmarks.baselines.raw:app", "--lifespan", "off"), multipart())]
    receive_only = uvicorn("benchmarks.baselines.receive_only:app", "--http", HTTP_PROTOCOL)
    ours = receive_only if kafka is None else uploader(kafka=kafka)
    for mode in modes:
        request = multipart(dataset_name="benchmark", chunk_type=mode, chunk_size=_CHUNK_SIZES[mode])
        found.append(Target(f"csvpipe, by {mode}", ours, request))
    if peers:
        saved = uvicorn("benchmarks.baselines.upload_file:app")
        found.append(Target("Starlette UploadFile, aiofiles", saved, multipart(dataset_name="benchmark")))
        programs = {
            "nginx": Target("nginx, PUT to a file", nginx, put, has_health=False),
            "tusd": Target("tusd, to a file", tusd("tusd"), tus, has_health=False),
        }
        found += [target for name, target in programs.items() if shutil.which(name)]
    return found


def run_table(args: argparse.Namespace, source: Path, work: Path, store: Store | None) -> None:
    """Measure every contender with ``source``, in turns, and print the table."""
    size_bytes = source.stat().st_size
    with ExitStack() as running:
        contenders: list[tuple[str, Measure]] = [
            (target.name, running.enter_context(contend(target, source, work / str(number))))
            for number, target in enumerate(targets(args.modes.split(","), kafka=args.kafka, peers=args.peers))
        ]
        if store is not None:
            contenders.append(("boto3 put_object into MinIO", running.enter_context(contend_with(store, source))))
        trials: dict[str, list[Trial]] = {name: [] for name, _ in contenders}
        for turn in range(args.trials):
            for name, measure in contenders:
                trials[name].append(measure())
                rate = size_bytes / _MB / trials[name][-1].seconds
                print(f"round {turn + 1}: {name}: {rate:.0f} MB/s", file=sys.stderr, flush=True)
    print(f"\n{_HEAD}\n|---|---|---|---|---|---|---|")
    for name, found in trials.items():
        print(line(name, size_bytes, found, trials[contenders[0][0]]), flush=True)


def check_disk(directory: Path, largest_mb: int) -> None:
    """Exit if the disk has too little space for the largest file and its copies."""
    free_mb, needed_mb = shutil.disk_usage(directory).free // _MB, largest_mb * _DISK_FACTOR
    if free_mb < needed_mb:
        sys.exit(
            f"{directory} has {free_mb} MB free, a file of {largest_mb} MB needs {needed_mb} MB: "
            "give another --directory, or smaller --sizes"
        )


def find_store(args: argparse.Namespace, root: Path, running: ExitStack) -> Store | None:
    """Return the S3 server of the measurement: the given one, or one that runs until ``running`` ends."""
    if args.s3_endpoint:
        return given_store(args.s3_endpoint)
    try:
        return running.enter_context(own_store(root / "minio")) if args.peers else None
    except StackError as error:
        print(f"boto3 is skipped, no MinIO: {error}")
        return None


def main() -> None:
    """Run the benchmark and print its tables."""
    args = _arguments(sys.argv[1:])
    sizes_mb = list(map(int, args.sizes.split(",")))
    directory = args.directory or Path(tempfile.gettempdir())
    check_disk(directory, max(sizes_mb))
    python = platform.python_version()
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Python {python}")
    with ExitStack() as running:
        root = Path(running.enter_context(tempfile.TemporaryDirectory(dir=directory, prefix="benchmark-upload-")))
        source, work = root / "source.csv", root / "work"
        root.chmod(0o755)
        work.mkdir()
        for name in ("nginx", "tusd") if args.peers else ():
            if not shutil.which(name):
                print(f"{name} is skipped: it is not on the PATH")
        store = find_store(args, root, running)
        for size_mb in sizes_mb:
            for name in args.line_ends.split(","):
                make_csv(source, size_bytes=size_mb * _MB, line_end={"lf": "\n", "crlf": "\r\n"}[name])
                print(f"\n{size_mb} MB, {name.upper()}, {args.trials} trials")
                run_table(args, source, work, store)


def _arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"short for {' '.join(_QUICK)}")
    parser.add_argument("--sizes", default="50,1000,5000", help="file sizes, in MB")
    parser.add_argument("--modes", default="size,rows,count", help="chunking modes")
    parser.add_argument("--line-ends", default="lf,crlf")
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--directory", type=Path, help="directory of the files (default: a temporary one)")
    parser.add_argument("--kafka", help="host:port of a broker, to include publishing")
    parser.add_argument("--s3-endpoint", help="endpoint of a MinIO to measure boto3 with (default: one is started)")
    parser.add_argument(
        "--no-peers", dest="peers", action="store_false", help="measure only the raw server and csvpipe"
    )
    return parser.parse_args([*_QUICK, *given] if "--quick" in given else given)


if __name__ == "__main__":
    main()
