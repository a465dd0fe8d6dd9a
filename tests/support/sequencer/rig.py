"""``csvpipe sequence`` and ``csvpipe verify-topic`` as processes, with a real broker."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import psutil
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its own examples do so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
)

from sequencer.checkpoint.sqlite import SqliteCheckpoints
from sequencer.checkpoint.store import CheckpointStore
from sequencer.model.checkpoint import Checkpoint
from tests.support.services import KafkaBroker
from tests.support.waiting import wait_until

SHORT = {"LEASE_S": "12", "DELIVERY_TIMEOUT_S": "6", "RETRIES": "2"}
"""Times that let a test see what takes minutes elsewhere."""


def csvpipe_argv(command: str, *options: str) -> list[str]:
    """Return what runs a command of the program."""
    return [str(Path(sys.executable).parent / "csvpipe"), command, *options]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def __str__(self) -> str:
        """Return all of it, for a test that fails."""
        return f"exit code {self.code}\n{self.out}\n{self.err}"


class RunningCommand(subprocess.Popen[str]):
    """A running command. It logs to a file, because it would block on a pipe that is not read."""

    def __init__(self, command: Sequence[str], *, environment: dict[str, str], directory: Path) -> None:
        self._log = directory / f"{command[1]}-{uuid.uuid4().hex[:12]}.log"
        with self._log.open("w") as log:
            super().__init__(command, env=environment, cwd=directory, stdout=subprocess.PIPE, stderr=log, text=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for its end; a test that has failed does not."""
        if kind is not None:
            self.kill()
        super().__exit__(kind, error, trace)

    def said(self) -> str:
        """Return what it has logged so far."""
        return self._log.read_text(encoding="utf-8")


@dataclass
class SequencerRig:
    """One topic, one job, one source; the checkpoints lie in a file unless ``checkpoints`` are given."""

    broker: KafkaBroker
    directory: Path
    partitions: int = 1
    environment: dict[str, str] = field(default_factory=dict)
    job_id: str = "job"
    checkpoints: CheckpointStore | None = None

    def __post_init__(self) -> None:
        self.topic = self.new_topic(self.partitions)
        self.source = str(self.directory / "source.csv")

    @property
    def checkpoint_file(self) -> Path:
        """Where the checkpoints lie."""
        return self.directory / "checkpoints.sqlite3"

    def new_topic(self, partitions: int = 1) -> str:
        """Make a topic of its own."""
        name = f"sequencer-{uuid.uuid4().hex[:12]}"
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        for made in admin.create_topics([NewTopic(name, partitions, self.broker.replicas)]).values():
            made.result(30)

        def is_known() -> bool:
            topic = admin.list_topics(name, timeout=60).topics[name]
            return topic.error is None and len(topic.partitions) == partitions

        # The controller answers first; the brokers learn of the topic some milliseconds later.
        wait_until(is_known, what=f"{name} is known to the brokers", deadline_s=60, poll_s=0.01)
        return name

    def set_topic(self, option: str, value: str) -> None:
        """Set an option of the topic."""
        entry = ConfigEntry(option, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.TOPIC, self.topic, incremental_configs=[entry])
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        admin.incremental_alter_configs([resource])[resource].result(30)

    def make_topic_anew(self) -> None:
        """Delete the topic, and make an empty one of its name."""
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        admin.delete_topics([self.topic])[self.topic].result(30)

        def is_made() -> bool:
            try:
                admin.create_topics([NewTopic(self.topic, self.partitions, self.broker.replicas)])[self.topic].result(
                    30
                )
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # the old one is still there
                    raise
                return False
            return True

        wait_until(is_made, what="the topic is recreated", deadline_s=60)

    def write_source(self, rows: int, *, bad: Sequence[int] = ()) -> None:
        """Write a source with quotes, commas and line ends in its fields; the rows ``bad`` lack a field."""
        with Path(self.source).open("w", encoding="utf-8", newline="") as file:
            file.write("id,name,city,amount\n")
            for row in range(1, rows + 1):
                if row in bad:
                    file.write(f"{row},ragged\n")
                    continue
                city = '"New ""York"", NY"' if row % 3 else '"two\nlines"'
                file.write(f"{row},größe {row * 7 % 1000},{city},{row * 3 % 997}.50\n")

    def run(self, *options: str, timeout_s: float = 180) -> Ended:
        """Run the job to its end."""
        with self.start(*options) as process:
            return self.end_of(process, timeout_s=timeout_s)

    def start(self, *options: str) -> RunningCommand:
        """Start the job."""
        given = ["--source", self.source, "--topic", self.topic, "--job-id", self.job_id]
        return self._start("sequence", *given, *options)

    def end_of(self, process: RunningCommand, *, timeout_s: float = 180) -> Ended:
        """Wait for a process."""
        out, _ = process.communicate(timeout=timeout_s)
        return Ended(process.returncode, out, process.said())

    def verify(self, *options: str) -> Ended:
        """Look at the topic."""
        with self._verifier(*options) as process:
            return self.end_of(process)

    def assert_proven(self, rows: int, *options: str) -> None:
        """Check that the topic holds every row of the source once, in order and identical."""
        by_source, by_line = ("--source", self.source), ("--expect-rows", str(rows))
        with self._verifier(*by_source, *options) as first, self._verifier(*by_line, *options) as second:
            for process in (first, second):
                found = self.end_of(process)
                assert found.code == 0, str(found)

    def freeze(self, process: RunningCommand) -> None:
        """Stop a process while the checkpoint file is ours: frozen in a write, it would keep all others out."""
        with closing(sqlite3.connect(self.checkpoint_file, timeout=30, isolation_level=None)) as file:
            file.execute("BEGIN IMMEDIATE")
            process.send_signal(signal.SIGSTOP)
            frozen = psutil.Process(process.pid)
            wait_until(
                lambda: frozen.status() == psutil.STATUS_STOPPED, what="it is suspended", deadline_s=60, poll_s=0.01
            )
            file.execute("ROLLBACK")

    def checkpoint(self) -> Checkpoint | None:
        """Return the job's checkpoint."""
        return self._store().load(self.job_id)

    def sent(self) -> int:
        """Return how many rows the checkpoint counts as sent."""
        noted = self.checkpoint()
        return noted.total_sent if noted else 0

    def forget_checkpoint(self) -> None:
        """Delete the job's checkpoint."""
        self._store().delete(self.job_id)

    def _store(self) -> CheckpointStore:
        return self.checkpoints or SqliteCheckpoints(str(self.checkpoint_file))

    def _verifier(self, *options: str) -> RunningCommand:
        return self._start("verify-topic", "--topic", self.topic, *options)

    def _start(self, command: str, *options: str) -> RunningCommand:
        environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": self.broker.bootstrap,
            "CHECKPOINT_FILE": str(self.checkpoint_file),
            **SHORT,
            **self.environment,
        }
        return RunningCommand(csvpipe_argv(command, *options), environment=environment, directory=self.directory)
