"""Speed of finding record ends, compared with other programs that count the rows of the same file.

Each contender counts the rows of each file in a process of its own, best of a few runs, everything in the page cache.
GB are 10^9 bytes of file. "a core" is per second of processor time, which on a busy machine is the figure to look at;
"wall" is per second that passed, with all threads. csvscan reads the file in blocks of 1 MiB; it is the only one that
also knows where the rows end, and that looks for NUL bytes, for UTF-8 and, where the table says so, for ragged rows.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

BLOCK_BYTES = 1 << 20
CSVSCAN_ENDS = "csvscan, record ends"
CSVSCAN_STRICT = "csvscan, and the number of fields"
PYARROW_ONE, PYARROW_ALL = "pyarrow.csv, one thread", "pyarrow.csv, all threads"
POLARS_ONE, POLARS_ALL = "polars, one thread", "polars, all threads"


def main() -> None:
    options = _arguments()
    if options.contender:
        print(json.dumps(_measure(CONTENDERS[options.contender], options.file, options.repeat)))
        return
    print(_machine())
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        for kind, make in KINDS.items():
            path = Path(folder) / f"{kind}.csv"
            rows = _write(path, make, options.size_mb * 1024 * 1024)
            _print_table(kind, path, rows, options.repeat)
            path.unlink()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mb", type=int, default=256, help="size of each file in MiB")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each contender; the fastest counts")
    parser.add_argument(
        "--dir", default=None, help="directory of the files (default: the system's temporary directory)"
    )
    parser.add_argument("--contender", choices=sorted(CONTENDERS), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _print_table(kind: str, path: Path, rows: int, repeat: int) -> None:
    size_bytes = path.stat().st_size
    print(f"\n## {kind}: {size_bytes / 1024 / 1024:.0f} MB, {rows} rows of {size_bytes / rows:.0f} bytes\n")
    print("| counted by | GB/s per core | GB/s wall | rows |\n|---|---:|---:|---|")
    for name in CONTENDERS:
        best = _run(name, path, repeat)
        verdict = "right" if best["rows"] == rows else f"WRONG: {best['rows']:.0f}"
        a_core, wall = size_bytes / best["cpu_s"] / 1e9, size_bytes / best["wall_s"] / 1e9
        print(f"| {name} | {a_core:.2f} | {wall:.2f} | {verdict} |", flush=True)


def _run(name: str, path: Path, repeat: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--contender", name, "--file", str(path), "--repeat", str(repeat)]
    environment = dict(os.environ, POLARS_MAX_THREADS="1") if name == POLARS_ONE else dict(os.environ)
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _measure(count: Callable[[Path], int], path: Path, repeat: int) -> dict[str, float]:
    results = []
    for _ in range(repeat + 1):  # the first run warms up
        wall, cpu = time.perf_counter(), time.process_time()
        rows = count(path)
        results.append({"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "rows": rows})
    return {key: min(result[key] for result in results[1:]) for key in results[0]}


def _count_csvscan(path: Path, *, strict: bool) -> int:
    from csvscan import HeaderFinder, Strictness

    buffer = bytearray(BLOCK_BYTES)
    with path.open("rb", buffering=0) as file:
        finder = HeaderFinder(delimiter=b",")
        header = finder.feed(file.read(BLOCK_BYTES)) or finder.finish()
        scanner = header.scanner(strictness=Strictness.STRICT if strict else Strictness.OFF)
        scanner.feed(finder.remainder)
        while size := file.readinto(buffer):
            scanner.feed(buffer if size == BLOCK_BYTES else buffer[:size])
        scanner.finish()
    return scanner.rows


def _count_python(path: Path) -> int:
    with path.open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def _count_pyarrow(path: Path, *, use_threads: bool) -> int:
    from pyarrow import csv as arrow_csv

    options = arrow_csv.ReadOptions(use_threads=use_threads, block_size=BLOCK_BYTES)
    parsing = arrow_csv.ParseOptions(newlines_in_values=True)
    columns = arrow_csv.ConvertOptions(include_columns=["id"])
    read = arrow_csv.read_csv(path, read_options=options, parse_options=parsing, convert_options=columns)
    return int(read.num_rows)


def _count_polars(path: Path) -> int:
    import polars as pl

    return int(pl.scan_csv(path, infer_schema=False).select(pl.len()).collect().item())


CONTENDERS: dict[str, Callable[[Path], int]] = {
    CSVSCAN_ENDS: lambda path: _count_csvscan(path, strict=False),
    CSVSCAN_STRICT: lambda path: _count_csvscan(path, strict=True),
    PYARROW_ONE: lambda path: _count_pyarrow(path, use_threads=False),
    PYARROW_ALL: lambda path: _count_pyarrow(path, use_threads=True),
    POLARS_ONE: _count_polars,
    POLARS_ALL: _count_polars,
    "Python's csv": _count_python,
}


def _plain(number: int) -> str:
    return (
        f"{number},2013-01-{number % 28 + 1:02},UA,{number * 7919 % 9973},N{number % 5000},EWR,{number % 997 / 7:.2f}\n"
    )


def _crlf(number: int) -> str:
    return _plain(number)[:-1] + "\r\n"


def _quoted(number: int) -> str:
    text = "two\nlines, a comma" if number % 3 else 'a ""quoted"" word'
    date, delay = f"2013-01-{number % 28 + 1:02}", f"{number % 997 / 7:.2f}"
    return f'{number},"{date}","Smith, J.","{text}",{number * 7919 % 9973},"EWR",{delay}\n'


def _inch_marks(number: int) -> str:
    return f'{number},5" pipe,{number % 97}" nail,"{number % 9}"" bolt",steel,{number % 997 / 7:.2f},x\n'


def _accents(number: int) -> str:
    return f"{number},Grüße aus Köln,{number % 997},日本語,příliš žluťoučký kůň,EWR,{number % 997 / 7:.2f}\n"


KINDS = {"plain": _plain, "quoted": _quoted, "crlf": _crlf, "inch marks": _inch_marks, "accents": _accents}


def _write(path: Path, make: Callable[[int], str], size_bytes: int) -> int:
    """Write a file of about this size and return its number of rows."""
    rows = 0
    with path.open("wb") as file:
        file.write(b"id,date,name,text,number,place,delay" + (b"\r\n" if make is _crlf else b"\n"))
        for part in _parts(make):
            file.write(part)
            rows += 10_000
            if file.tell() >= size_bytes:
                return rows
    raise AssertionError


def _parts(make: Callable[[int], str]) -> Iterator[bytes]:
    part = "".join(map(make, range(10_000))).encode()
    while True:
        yield part


def _machine() -> str:
    import numpy as np

    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    load = os.getloadavg()[0]
    python = platform.python_version()
    return f"{os.cpu_count()} x {model}, Python {python}, numpy {np.__version__}, load before the run {load:.1f}"


if __name__ == "__main__":
    main()
