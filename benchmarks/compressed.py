"""Uploads of one CSV plain, in gzip and in zstd, and of bombs: rate, CPU and memory of the uploader.

``python -m benchmarks.compressed`` sends 300 MB (``--mb``) three times each way, in turn. MB and GB are 10^6 and 10^9
bytes of content. A bomb is 10 GB of one line in 2 to 30 MB; it has to be refused, and the memory to stay as it is.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

from benchmarks.http_client import multipart, send
from benchmarks.server_process import Server, uploader

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_MB = 10**6
_LINE = b"2026-01-31,the same line again and again,1234567890\n"
_BLOCK = _LINE * (_MB // len(_LINE))
_REQUEST = multipart(dataset_name="benchmark", chunk_type="size", chunk_size=50)


def main() -> None:
    """Print a row for each file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=300)
    parser.add_argument("--trials", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work, stored = Path(name), Path(name) / "server"
        stored.mkdir()
        files = dict(_files(work, args.mb * _MB))
        bombs = dict(_bombs(work))
        with uploader()(stored) as server:
            _measure(server, files["plain"], stored)  # a warm-up
            print("| file | MB | MB/s of content | CPU s/GB | peak RSS MB |\n|---|---|---|---|---|")
            for _ in range(args.trials):
                for kind, path in files.items():
                    seconds, cpu_seconds, peak_mb = _measure(server, path, stored)
                    rate, cpu = args.mb / seconds, cpu_seconds * 1000 / args.mb
                    print(f"| {kind} | {path.stat().st_size / _MB:.0f} | {rate:.0f} | {cpu:.2f} | {peak_mb:.0f} |")
            for kind, path in bombs.items():
                size_mb, before_mb = path.stat().st_size / _MB, server.rss_mb()
                try:
                    _measure(server, path, stored)
                except (RuntimeError, ConnectionError) as refusal:
                    peak_mb = server.peak_rss_mb()
                    rss = f"RSS {before_mb:.0f} MB, peak {peak_mb:.0f} MB"
                    print(f"bomb in {kind}, {size_mb:.0f} MB: {rss}: {str(refusal)[:60]}")
                else:
                    sys.exit(f"the bomb in {kind} was accepted")


def _files(work: Path, size_bytes: int) -> Iterator[tuple[str, Path]]:
    plain = work / "data.csv"
    _make_csv(plain, size_bytes)
    yield "plain", plain
    packed = work / "data.gzip"
    with plain.open("rb") as source, gzip.open(packed, "wb", compresslevel=6) as target:
        shutil.copyfileobj(source, target, _MB)
    yield "gzip", packed
    packed = work / "data.zstd"
    with plain.open("rb") as source, zstd.open(packed, "wb") as frame:
        shutil.copyfileobj(source, frame, _MB)
    yield "zstd", packed


def _make_csv(path: Path, size_bytes: int) -> None:
    """Write rows that gzip to about 0.4 of their size, as an export does; equal blocks would be a bomb for zstd."""
    words, random = ("alpha", "beta", "gamma delta", "omega"), Random(1)  # noqa: S311  content, not a secret
    with path.open("wb") as file:
        file.write(b"id,word,day,amount,reference\n")
        row = 0
        while file.tell() < size_bytes:
            rows = [
                f"{number},{random.choice(words)},2026-01-{number % 28 + 1:02},{random.random() * 1e4:.2f},"
                f"{random.getrandbits(32):08x}\n"
                for number in range(row, row + 10_000)
            ]
            file.write("".join(rows).encode())
            row += 10_000


def _bombs(work: Path) -> Iterator[tuple[str, Path]]:
    packed = {
        "gzip": (gzip.compress(b"a,b,c\n"), gzip.compress(_BLOCK)),
        "zstd": (zstd.compress(b"a,b,c\n"), zstd.compress(_BLOCK)),
    }
    for kind, (header, block) in packed.items():
        path = work / f"bomb.{kind}"
        path.write_bytes(header + block * 10_000)
        yield kind, path


def _measure(server: Server, path: Path, stored: Path) -> tuple[float, float, float]:
    """Send the file, and return the seconds, those of the server's CPU, and the server's peak RSS in MB."""
    for written in stored.rglob("*_chunk_*.csv"):
        written.unlink()
    server.reset_peak_rss()
    cpu_before = server.cpu_seconds()
    seconds = send(path, port=server.port, request=_REQUEST)
    return seconds, server.cpu_seconds() - cpu_before, server.peak_rss_mb()


if __name__ == "__main__":
    main()
