"""Capacity planning: measured constants, formulas, and the tables of docs/operations/capacity.md.

``python -m benchmarks.capacity`` prints the tables, ``--write`` puts them into the page. Nothing is measured here.
Bytes are decimal (GB = 10^9), but for chunks, whose megabyte is 1 048 576 bytes.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from contracts.names import BYTES_PER_MB
from dags.modules.settings import DRAIN_MAX_MESSAGES

PAGE = Path(__file__).parent.parent / "docs" / "operations" / "capacity.md"
MB, GB, TB = 10**6, 10**9, 10**12
DAY_S = 86_400


@dataclass(frozen=True, kw_only=True)
class Constant:
    """A measured figure: ``quote`` is its text in docs/explanation/performance.md, under the heading ``section``."""

    name: str
    value: float
    unit: str
    section: str
    quote: str


RECEIVE = Constant(
    name="receiving, one worker, CRLF", value=286 * MB, unit="bytes/s", section="Receiving", quote="286 (0.81)"
)
RECEIVE_CPU = Constant(name="receiving, CPU", value=4.4, unit="s/GB", section="Receiving", quote="| 4.4 | 84 |")
WORKER_RSS = Constant(name="a worker's memory", value=112 * MB, unit="bytes", section="Receiving", quote="112 MB")
NIFI = Constant(
    name="NiFi, 500 MB in 5.1 s, on two cores that it shared",
    value=500 * BYTES_PER_MB / 5.1,
    unit="bytes/s",
    section="Landing",
    quote="| 10 chunks of 50 MB | 12.0 | 4.6 | 2.1 | 5.1 |",
)
TASK_CPU = Constant(
    name="a task of Airflow, CPU (upper)", value=1.0, unit="s", section="Landing", quote="0.4 to 1 s of CPU"
)
UPLOADS = Constant(
    name="small uploads, one after the other's relay, all of the stack on two cores",
    value=100 / 145,
    unit="uploads/s",
    section="Landing",
    quote="145 s after the last of them was sent",
)
ORDERED = Constant(
    name="the sequencing pipeline, lz4, from start to end",
    value=448_000,
    unit="records/s",
    section="In order",
    quote="575,000 (448,000)",
)
ROW = Constant(name="a row there", value=97, unit="bytes", section="In order", quote="rows of 97 bytes")
ROW_JSON = Constant(name="the same as JSON", value=232, unit="bytes", section="In order", quote="232 as JSON")
CONSTANTS = (RECEIVE, RECEIVE_CPU, WORKER_RSS, NIFI, TASK_CPU, UPLOADS, ORDERED, ROW, ROW_JSON)

TASKS_A_RUN = 4
"""Tasks of a run of ``csv-chunk-ingestion``, and of a run of the listener."""


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """Assumptions that are not measured, to be set for each installation."""

    peak: float = 4.0
    """Load of the busiest hour divided by the daily mean."""
    chunk_bytes: int = 50 * BYTES_PER_MB
    keep_hours: float = 24.0
    """CLEANUP_AFTER_HOURS."""
    outage_hours: float = 12.0
    """Longest outage of landing during which uploads are still accepted."""
    message_bytes: int = 1_000
    """The example of docs/reference/messages.md has 725; long headers make it more."""
    retention_days: int = 7
    replication: int = 3
    listener_runs_a_day: int = 10_000
    """Maximum rate of one listener, which handles one batch after the other."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """A load of ``volume`` bytes per day in files of ``file_bytes``."""

    volume: int
    file_bytes: int
    given: Assumptions = Assumptions()

    @property
    def peak_rate(self) -> float:
        """Bytes per second in the busiest hour."""
        return self.volume / DAY_S * self.given.peak

    @property
    def uploads(self) -> int:
        """Files per day."""
        return math.ceil(self.volume / self.file_bytes)

    @property
    def chunks_a_file(self) -> int:
        """Chunks per file."""
        return math.ceil(self.file_bytes / self.given.chunk_bytes)

    @property
    def chunks(self) -> int:
        """Chunks, and therefore messages and objects, per day."""
        return self.uploads * self.chunks_a_file

    @property
    def uploader_cores(self) -> float:
        """Cores for receiving, cutting and hashing in the busiest hour."""
        return self.peak_rate / GB * RECEIVE_CPU.value

    @property
    def uploader_workers(self) -> int:
        """Worker processes for these cores, at least two."""
        return max(2, math.ceil(self.peak_rate / RECEIVE.value))

    @property
    def uploader_disk(self) -> float:
        """Bytes on the disks of all replicas: chunks kept after landing, and chunks that accumulate in an outage."""
        return self._most_in(self.given.keep_hours + self.given.outage_hours)

    @property
    def least_disk(self) -> float:
        """The same if landed chunks are removed immediately, as LOW_DISK_MB does on a smaller disk."""
        return self._most_in(self.given.outage_hours)

    def _most_in(self, hours: float) -> float:
        """Return the maximum volume of ``hours`` hours: those of the peak, but at most a day's volume."""
        days, rest = divmod(hours, 24)
        return self.volume * (days + min(1, self.given.peak * rest / 24))

    @property
    def kafka_bytes(self) -> float:
        """Bytes of the topic on all brokers, over its retention."""
        return self.chunks * self.given.message_bytes * self.given.retention_days * self.given.replication

    @property
    def nifi_nodes(self) -> int:
        """NiFi nodes of the measured size."""
        return math.ceil(self.peak_rate / NIFI.value)

    @property
    def airflow_tasks(self) -> int:
        """Airflow task processes per day, of chunk runs and listener runs."""
        runs = self.uploads * math.ceil(self.chunks_a_file / DRAIN_MAX_MESSAGES)
        return TASKS_A_RUN * (runs + min(runs, self.given.listener_runs_a_day))

    @property
    def airflow_cores(self) -> float:
        """Cores for these tasks in the busiest hour."""
        return self.airflow_tasks / DAY_S * self.given.peak * TASK_CPU.value

    @property
    def network_bits(self) -> float:
        """Bits per second into the uploaders; the same out of them, into NiFi, out of it, and into the store."""
        return self.peak_rate * 8


@dataclass(frozen=True, kw_only=True)
class OrderedLoad:
    """A load of ``volume`` bytes per day of rows of the measured size, for the sequencing pipeline."""

    volume: int

    @property
    def rows(self) -> float:
        """Rows per day."""
        return self.volume / ROW.value

    @property
    def hours_of_one_partition(self) -> float:
        """Duration of one job in hours."""
        return self.rows / ORDERED.value / 3600

    @property
    def partitions(self) -> int:
        """Jobs (``--partitions``) needed to finish within a day."""
        return math.ceil(self.hours_of_one_partition / 24)

    @property
    def json_bytes(self) -> float:
        """Bytes per day written to the topic, before compression and replication."""
        return self.rows * ROW_JSON.value


LOADS = (
    ("10 GB", Load(volume=10 * GB, file_bytes=GB)),
    ("1 TB", Load(volume=TB, file_bytes=GB)),
    ("100 TB", Load(volume=100 * TB, file_bytes=GB)),
    ("100 TB in files of 10 GB", Load(volume=100 * TB, file_bytes=10 * GB)),
)

Row = tuple[str, Callable[[Load], str]]
_ROWS: tuple[Row, ...] = (
    ("rate in the busiest hour", lambda load: f"{_size(load.peak_rate)}/s"),
    ("network, each way", lambda load: f"{load.network_bits / GB:.2g} Gbit/s"),
    ("uploads a day", lambda load: _count(load.uploads)),
    ("chunks, messages, objects a day", lambda load: _count(load.chunks)),
    ("uploader: cores", lambda load: _cores(load.uploader_cores)),
    ("uploader: workers", lambda load: str(load.uploader_workers)),
    ("uploader: disk, as set", lambda load: _size(load.uploader_disk)),
    ("uploader: disk, at least", lambda load: _size(load.least_disk)),
    ("Kafka: the topic, three copies, a week", lambda load: _size(load.kafka_bytes)),
    ("Airflow: tasks a day", lambda load: _count(load.airflow_tasks)),
    ("Airflow: cores", lambda load: _cores(load.airflow_cores)),
    ("NiFi: nodes as measured", lambda load: str(load.nifi_nodes)),
)


def render_needs() -> str:
    """Return the table of the ingestion pipeline."""
    head = ["", *(name for name, _ in LOADS)]
    lines = [head, ["---", *("---:" for _ in LOADS)]]
    lines += [[title, *(show(load) for _, load in LOADS)] for title, show in _ROWS]
    return _table(lines)


def render_constants() -> str:
    """Return the table of measured constants."""
    lines = [["constant", "value", "[performance.md](../explanation/performance.md)"], ["---", "---:", "---"]]
    lines += [[each.name, f"{_figure(each)}", each.section] for each in CONSTANTS]
    return _table(lines)


def render_ordered() -> str:
    """Return the table of the sequencing pipeline."""
    lines = [["a day", "rows", "one partition takes", "partitions", "JSON into the topic"]]
    lines.append(["---", "---:", "---:", "---:", "---:"])
    for name, volume in (("10 GB", 10 * GB), ("1 TB", TB), ("100 TB", 100 * TB)):
        load = OrderedLoad(volume=volume)
        lines.append(
            [name, _count(load.rows), _time(load.hours_of_one_partition), str(load.partitions), _size(load.json_bytes)]
        )
    return _table(lines)


TABLES = {"constants": render_constants, "needs": render_needs, "ordered": render_ordered}


def fill(text: str) -> str:
    """Return the page ``text`` with every marked table regenerated."""
    for name, render in TABLES.items():
        begin, end = f"<!-- table: {name} -->\n", f"<!-- end: {name} -->"
        if begin not in text or end not in text:
            raise ValueError(f"the page has no marks for the table {name!r}")
        before, rest = text.split(begin, 1)
        text = f"{before}{begin}{render()}{end}{rest.split(end, 1)[1]}"
    return text


def _table(lines: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _figure(constant: Constant) -> str:
    if constant is NIFI:
        # Rounded so that it gives the number of nodes in the table below.
        return f"{constant.value / MB:.1f} MB/s"
    if constant.unit.startswith("bytes") and constant.value > MB:
        return _size(constant.value) + constant.unit.removeprefix("bytes")
    if constant.value >= 1000:
        return f"{constant.value:,.0f} {constant.unit}"
    return f"{constant.value:.3g} {constant.unit}"


def _size(size: float) -> str:
    for unit, factor in (("TB", TB), ("GB", GB), ("MB", MB), ("kB", 1000)):
        if size >= factor:
            return f"{_digits(size / factor)} {unit}"
    return f"{size:.0f} bytes"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"


def _count(number: float) -> str:
    return f"{number / 10**6:,.0f} million" if number >= 10**7 else f"{number:,.0f}"


def _time(hours: float) -> str:
    return f"{hours * 60:.0f} min" if hours < 1 else f"{_digits(hours)} h"


def _cores(cores: float) -> str:
    if cores < 0.01:
        return "below 0.01"
    return f"{cores:.2f}" if cores < 1 else f"{cores:.0f}"


def _main(arguments: list[str]) -> None:
    if arguments == ["--write"]:
        PAGE.write_text(fill(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return
    for text in _texts():
        print(text)


def _texts() -> Iterator[str]:
    for render in TABLES.values():
        yield render()


if __name__ == "__main__":
    _main(sys.argv[1:])
