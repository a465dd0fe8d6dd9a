"""Durations of calls, by the clock and by the CPU of the calling thread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from benchmarks.http_client import p50_p99_max

HEAD = "| ms | CPU, mean | median | p99 | max |\n|---|---|---|---|---|"
_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass
class Times:
    """Durations of one call in milliseconds."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def timed(call: Callable[_P, _T], into: Times) -> Callable[_P, _T]:
    """Return ``call``, which also appends its duration to ``into``."""

    def measured(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            return call(*args, **kwargs)
        finally:
            into.wall.append((time.perf_counter() - wall) * 1000)
            into.cpu.append((time.thread_time() - cpu) * 1000)

    return measured


def row(name: str, times: Times) -> str:
    """Return a row of the table with :data:`HEAD`."""
    p50, p99, longest = p50_p99_max(times.wall)
    return f"| {name} | {statistics.mean(times.cpu):.3f} | {p50:.3f} | {p99:.3f} | {longest:.3f} |"
