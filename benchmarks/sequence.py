"""Throughput from a CSV in S3 to one Kafka partition, compared with peers in one run.

``python -m benchmarks.sequence`` makes a CSV of five million rows (``--rows``), puts it into a MinIO, and sends it into
a topic of its own for each contender, on a Kafka and a MinIO that are started for it:

- csvpipe sequence, in both modes and with each compression: reads from MinIO, cuts, encodes, checks and checkpoints;
- kafka-producer-perf-test (ProducerPerformance), which sends JSON lines that it has read into memory before, picked at
  random, with the same acks, idempotence and compression, and does nothing else;
- rdkafka_performance of librdkafka's examples, where it is on the PATH: sends one JSON line again and again;
- a plain loop of csv, json and kafka-python on the file, on a twentieth of the rows.

Records a second are what each says itself (csvpipe in its last line), as the benchmarks of Kafka leave their start-up
out; beside it, rows by the time from the process's start to its end. gzip has level 3 for all: csvpipe's default, as
the zlib in the wheel of confluent-kafka is slow. Peak RSS is that of the process, in MB of 10^6 bytes. All share the
machine with the broker, which is warmed up before each compression by a million records of ProducerPerformance's.
``LIBRDKAFKA`` may name another build of librdkafka for csvpipe.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # its own examples do so

from stack.components.kafka import kafka_command
from stack.local import LocalStack
from stack.report import ConsoleReport
from stack.s3 import s3_client
from stack.settings import StackSettings

_BUCKET, _KEY = "raw", "benchmark/source.csv"
_PLAIN_SHARE, _WARM_UP = 20, 1_000_000
_PAYLOADS = 200_000
"""Number of lines that ProducerPerformance chooses from; it holds all of them in memory."""
_AT = "2026-01-31T12:00:00"
_PERF_OPTIONS = ("acks=all", "enable.idempotence=true", "linger.ms=20", "batch.size=1000000")
_PERF_BUFFER_BYTES = 64 * 1024 * 1024
_WE_SAY = re.compile(r"this run sent [\d,]+ in ([\d.]+) s")
_LEVELS = {"gzip": 3}
_PERF_SAYS = re.compile(r"^\d+ records sent, ([\d.]+) records/sec", re.MULTILINE)
_RDKAFKA_SAYS = re.compile(r"\b(\d+) msgs/s")
_CITIES = ("Hanoi", "Hue", '"Da Nang, coast"', "Can Tho")
_WORDS = (
    "fragile goods, keep upright and dry; deliver between eight and noon, ring twice; no signature wanted at the door"
)


@dataclass(frozen=True)
class Bench:
    """The services and the input of the benchmark."""

    stack: LocalStack
    rows: int
    source: Path
    payloads: Path

    @property
    def bootstrap(self) -> str:
        """Return the bootstrap address of Kafka."""
        settings = self.stack.context.settings
        return f"{settings.host}:{settings.kafka_port}"

    def new_topic(self) -> str:
        """Create a topic with one partition."""
        name = f"benchmark-{uuid.uuid4().hex[:8]}"
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
        return name

    def drop_topic(self, name: str) -> None:
        """Delete a topic, to free the disk for the next one."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        admin.delete_topics([name])[name].result(30)


def make_source(bench: Bench) -> None:
    """Write the CSV and the same rows as JSON lines."""
    with bench.source.open("w", encoding="utf-8") as source, bench.payloads.open("w", encoding="utf-8") as payloads:
        source.write("id,name,city,amount,at,note\n")
        for row in range(1, bench.rows + 1):
            city = _CITIES[row % 4]
            name, amount = f"name of {row * 7919 % 99991}", f"{row * 31 % 99991 / 100:.2f}"
            note = _WORDS[row % 50 : row % 50 + 20 + row % 40].replace(",", "").strip()
            source.write(f"{row},{name},{city},{amount},{_AT},{note}\n")
            record = {"id": f"{row}", "name": name, "city": city.strip('"'), "amount": amount, "at": _AT, "note": note}
            place = {"_source_line": row, "_source_file": f"s3://{_BUCKET}/{_KEY}"}
            if row <= _PAYLOADS:
                payloads.write(json.dumps(record | place) + "\n")


@dataclass(frozen=True)
class Measured:
    """The result of one contender: records per second while sending and from start to end; peak RSS in MB."""

    records_per_s: float
    whole_per_s: float
    rss_mb: float


def run(argv: list[str], environment: dict[str, str] | None = None) -> tuple[float, float, str]:
    """Run a command; return its duration in seconds, peak RSS in MB, and output.

    Raises:
        RuntimeError: it failed; the text holds the end of what it printed.
    """
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(argv, env={**os.environ, **(environment or {})}, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        output.seek(0)
        printed = output.read().decode(errors="replace")
        if status:
            raise RuntimeError(f"{argv[0]} failed: {printed[-3000:]}")
    return seconds, usage.ru_maxrss * 1024 / 1e6, printed


def sequence(bench: Bench, topic: str, *, mode: str, compression: str) -> Measured:
    """Send the rows with csvpipe."""
    context = bench.stack.context
    environment = {
        "AWS_ACCESS_KEY_ID": context.secrets.minio_root_user,
        "AWS_SECRET_ACCESS_KEY": context.secrets.minio_root_password.get_secret_value(),
        "S3_ENDPOINT": f"http://{context.settings.host}:{context.settings.minio_port}",
        "CHECKPOINT_FILE": str(bench.source.with_name(f"{topic}.sqlite3")),
    }
    argv = [str(Path(sys.executable).parent / "csvpipe"), "sequence", "--source", f"s3://{_BUCKET}/{_KEY}"]
    argv += ["--bootstrap-servers", bench.bootstrap, "--topic", topic, "--job-id", topic]
    seconds, rss_mb, printed = run([*argv, "--mode", mode, "--compression", compression], environment)
    return Measured(bench.rows / float(_WE_SAY.findall(printed)[-1]), bench.rows / seconds, rss_mb)


def perf_test(bench: Bench, topic: str, *, compression: str) -> Measured:
    """Send JSON lines with Kafka's own benchmark."""
    options = ["--topic", topic, "--num-records", str(bench.rows), "--throughput", "-1"]
    options += ["--payload-file", str(bench.payloads), "--command-property", f"bootstrap.servers={bench.bootstrap}"]
    options += [*_PERF_OPTIONS, f"buffer.memory={_PERF_BUFFER_BYTES}", f"compression.type={compression}"]
    options += [f"compression.{codec}.level={level}" for codec, level in _LEVELS.items() if codec == compression]
    command = kafka_command(bench.stack.context, "org.apache.kafka.tools.ProducerPerformance", *options, heap_mb=1024)
    seconds, rss_mb, printed = run(command)
    return Measured(float(_PERF_SAYS.findall(printed)[-1]), bench.rows / seconds, rss_mb)


def rdkafka_performance(bench: Bench, topic: str, *, compression: str) -> Measured:
    """Send one JSON line repeatedly with librdkafka's own benchmark."""
    with bench.payloads.open(encoding="utf-8") as payloads:
        line = payloads.readline().strip()
    argv = ["rdkafka_performance", "-P", "-t", topic, "-p", "0", "-b", bench.bootstrap, "-a", "-1", "-i", "60000"]
    argv += ["-c", str(bench.rows), "-m", line, "-s", str(len(line)), "-z", compression]
    level = f"compression.level={_LEVELS.get(compression, -1)}"
    for option in ("enable.idempotence=true", "linger.ms=20", "batch.size=1000000", "batch.num.messages=100000", level):
        argv += ["-X", option]
    seconds, rss_mb, printed = run(argv)
    return Measured(float(_RDKAFKA_SAYS.findall(printed)[-1]), bench.rows / seconds, rss_mb)


def plain_loop(bench: Bench, topic: str) -> Measured:
    """Send a share of the rows with the loop that one would write first."""
    rows = bench.rows // _PLAIN_SHARE
    given = [str(bench.source), bench.bootstrap, topic, str(rows)]
    seconds, rss_mb, _ = run([sys.executable, "-m", "benchmarks.sequence", "--plain", *given])
    return Measured(rows / seconds, rows / seconds, rss_mb)


def send_plainly(source: str, bootstrap: str, topic: str, rows: int) -> None:
    """Run the plain loop."""
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", compression_type="gzip")
    with Path(source).open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), start=1):
            producer.send(topic, json.dumps({**row, "_source_line": line}).encode(), partition=0)
            if line == rows:
                break
    producer.flush()


def contenders(bench: Bench, compressions: list[str]) -> list[tuple[str, Callable[[str], Measured] | None]]:
    """Yield the contenders, each with a name and a function that sends to a topic; None warms the broker up."""
    found: list[tuple[str, Callable[[str], Measured] | None]] = []
    for compression in compressions:
        found.append((compression, None))
        for mode in ("exclusive", "transactional"):
            send = partial(sequence, bench, mode=mode, compression=compression)
            found.append((f"csvpipe sequence, {mode}, {compression}", send))
        found.append((f"ProducerPerformance, {compression}", partial(perf_test, bench, compression=compression)))
        if shutil.which("rdkafka_performance"):
            send = partial(rdkafka_performance, bench, compression=compression)
            found.append((f"rdkafka_performance, {compression}", send))
    return [*found, ("csv + json + kafka-python, gzip", partial(plain_loop, bench))]


def main() -> None:
    """Run the benchmark and print its table."""
    if sys.argv[1:2] == ["--plain"]:
        send_plainly(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--compressions", default="gzip,lz4,zstd,none")
    args = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(prefix="benchmark-sequence-") as directory:
        root = Path(directory)
        ports = StackSettings.on_free_ports()
        stack = LocalStack(root=root / "stack", settings=ports, report=ConsoleReport(sys.stderr))
        bench = Bench(stack, args.rows, root / "source.csv", root / "payloads.jsonl")
        try:
            stack.start(["kafka", "minio"])
            make_source(bench)
            settings = stack.context.settings
            client = s3_client(stack.context, f"http://{settings.host}:{settings.minio_port}")
            client.upload_file(str(bench.source), _BUCKET, _KEY)
            lines = min(args.rows, _PAYLOADS)
            sizes = bench.source.stat().st_size / args.rows, bench.payloads.stat().st_size / lines
            print(f"{args.rows} rows of {sizes[0]:.0f} bytes, {sizes[1]:.0f} as JSON\n")
            print("| sent by | records/s | from start to end | peak RSS MB |\n|---|---:|---:|---:|")
            for name, measure in contenders(bench, args.compressions.split(",")):
                topic = bench.new_topic()
                if measure is None:
                    perf_test(replace(bench, rows=_WARM_UP), topic, compression=name)
                    bench.drop_topic(topic)
                    continue
                measured = measure(topic)
                rates = f"{measured.records_per_s:,.0f} | {measured.whole_per_s:,.0f}"
                print(f"| {name} | {rates} | {measured.rss_mb:.0f} |", flush=True)
                bench.drop_topic(topic)
        finally:
            stack.stop()


if __name__ == "__main__":
    main()
