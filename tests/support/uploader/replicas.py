"""Real replicas of the uploader with their own processes and disks, one database, one broker, and a proxy."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from stack.local import LocalStack
from tests.support.network.round_robin import RoundRobinProxy, round_robin_proxy
from tests.support.services import OPEN_ACCESS, running_stack
from tests.support.uploader.live_directory import entries
from uploader.disk.directories import LOCK_FILE, STAGING


class Replica:
    """``csvpipe serve`` in a process of its own."""

    def __init__(self, name: str, stack: LocalStack) -> None:
        self.name = name
        self.port = stack.context.settings.uploader_port
        self.url = f"http://127.0.0.1:{self.port}"
        self.temp_dir = stack.context.data_dir("uploader")
        self.admin_key = stack.context.secrets.admin_key.get_secret_value()
        self._stack = stack

    @property
    def is_running(self) -> bool:
        """Return whether its process is running."""
        return all(process.pid is not None for process in self._stack.processes_of("uploader"))

    def start(self) -> None:
        """Start it again, on the same port, with its disk and its name."""
        self._stack.start(["uploader"])

    def kill(self) -> None:
        """Kill it, as a power cut does."""
        for process in self._stack.processes_of("uploader"):
            process.kill(signal.SIGKILL, family=True)

    def log(self) -> str:
        """Return what it has logged, before its restarts too."""
        [managed] = self._stack.processes_of("uploader")
        return managed.log.read_text(encoding="utf-8")

    def uploads_on_disk(self) -> set[str]:
        """Return the ids of the uploads whose chunk files it holds."""
        return {path.name for path in self.temp_dir.iterdir() if path.is_dir() and path.name != STAGING}

    def receiving(self) -> list[str]:
        """Return the ids of the uploads that it is receiving, or was when it died."""
        directory = self.temp_dir / STAGING
        return [path.name for path in directory.iterdir()] if directory.exists() else []

    def locks(self) -> list[Path]:
        """Return the lock files on its disk: each is of an upload that is neither committed nor gone."""
        return [path for path in entries(self.temp_dir) if path.name == LOCK_FILE]

    def make_look_old(self, upload_id: str) -> None:
        """Put back the time of a directory: one without a lock may be a minute old before it is taken for left over."""
        with suppress(FileNotFoundError):  # it was removed already
            os.utime(self.temp_dir / upload_id, (0, 0))


@dataclass(frozen=True)
class ReplicaSet:
    """Replicas behind a proxy."""

    replicas: Sequence[Replica]
    proxy: RoundRobinProxy

    def replica_of(self, upload_id: str) -> Replica:
        """Return the replica that stores the chunks."""
        [replica] = [each for each in self.replicas if upload_id in each.uploads_on_disk()]
        return replica

    def other_than(self, replica: Replica) -> Replica:
        """Return one that is not ``replica``."""
        return next(each for each in self.replicas if each is not replica)


@contextmanager
def running_replicas(root: Path, *, count: int, environment: dict[str, str]) -> Iterator[ReplicaSet]:
    """Start ``count`` replicas at once, on one database that may be empty; stop them in the end."""
    with ExitStack() as stack, ThreadPoolExecutor(count) as pool:
        names = [f"replica-{number}" for number in range(count)]
        replicas = list(pool.map(lambda name: stack.enter_context(running_replica(root, name, environment)), names))
        proxy = stack.enter_context(round_robin_proxy([("127.0.0.1", each.port) for each in replicas]))
        yield ReplicaSet(replicas, proxy)


@contextmanager
def running_replica(root: Path, name: str, environment: dict[str, str]) -> Iterator[Replica]:
    """Start one replica with a disk of its own under ``root``.

    Raises:
        ProcessDiedError: it does not start; the text has its log.
    """
    given = {**OPEN_ACCESS, **environment, "REPLICA_NAME": name}
    with running_stack(root / name, ["uploader"], uploader_workers=1, uploader_environment=given) as stack:
        yield Replica(name, stack)
