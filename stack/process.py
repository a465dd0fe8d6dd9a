"""Processes of the stack: start, readiness, stop. A process is identified by its pid and start time."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil
from pydantic import BaseModel, ValidationError

from stack.errors import NotReadyError, PortTakenError, ProcessDiedError
from stack.ports import becomes_free, listener_on

_INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER")
_FAMILY_VARIABLE = "CSVPIPE_STACK_FAMILY"
_LOG_TAIL_LINES = 40
_POLL_S = 0.2
_KILLED_WITHIN_S = 60.0
"""A killed process ends when the machine gets to it. Its ports and files are not free before."""
_PORT_FREE_WITHIN_S = 10.0
_children: dict[int, subprocess.Popen[bytes]] = {}
"""Child processes by pid: only their parent can reap them, and another object can stop them."""
_START_TIME_TOLERANCE_S = 2.0
"""psutil computes the start time from the boot time, which shifts a little when the clock is set."""


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """How to run a process.

    Attributes:
        name: Unique name in the stack, such as ``kafka`` or ``airflow-scheduler``.
        argv: The command. It must not daemonize: the started pid is the process.
        env: Variables added to a small inherited set (PATH, HOME ...), so that a developer's variables have no effect.
        cwd: Working directory, created if missing.
        ready: Returns None once the process is ready, or the reason why it is not. It queries the process itself (an
            API call, a metadata request), never its log. Can raise OSError for "no answer yet".
        host: Address of its ports.
        ports: TCP ports that must be free before the start, so that a port in use is reported immediately.
        after: Components that must be ready before the process is started, if the same command starts them.
        deadline_s: Time to become ready.
        stop_timeout_s: Time between TERM and KILL.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path
    ready: Callable[[], str | None]
    host: str = "127.0.0.1"
    ports: tuple[int, ...] = ()
    after: tuple[str, ...] = ()
    deadline_s: float = 60.0
    stop_timeout_s: float = 20.0


class _PidFile(BaseModel):
    """The saved state of a started process.

    If the pid is missing, the starting program was killed before it could save it. The process is then found by its
    family.
    """

    pid: int | None = None
    started_at: float
    log_offset: int = 0
    stop_timeout_s: float = 20.0


class ManagedProcess:
    """A process that outlives the program that started it, and is found again by its pid file.

    The environment of the process and of all its descendants, its family, contains the path of that file. Only
    :meth:`start` needs a specification: the name is enough to inspect or stop a process.
    """

    def __init__(self, name: str, *, pid_dir: Path, log_dir: Path) -> None:
        self.name = name
        self.log = log_dir / f"{name}.log"
        self._pid_file = (pid_dir / f"{name}.json").absolute()

    @property
    def pid(self) -> int | None:
        """Return the pid of the running process, or None."""
        record = self._record()
        leader = self._find(record) if record else None
        return leader.pid if leader else None

    @property
    def started_at(self) -> datetime | None:
        """Return the start time, even if the process has died, or None if it was not started or was stopped."""
        record = self._record()
        return datetime.fromtimestamp(record.started_at, UTC) if record else None

    def start(self, spec: ProcessSpec) -> int:
        """Start the process and return its pid. Descendants of a dead predecessor are stopped first.

        Raises:
            PortTakenError: Another program uses one of its ports.
        """
        self.stop()
        for port in spec.ports:
            if not becomes_free(port, host=spec.host, within_s=_PORT_FREE_WITHIN_S):
                raise PortTakenError(
                    f"{self.name} needs port {port}, which is used by {listener_on(port)}. "
                    "Stop that program or set another port (STACK_*_PORT)",
                    port=port,
                )
        for directory in (spec.cwd, self.log.parent, self._pid_file.parent):
            directory.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            record = _PidFile(started_at=time.time(), log_offset=log.tell(), stop_timeout_s=spec.stop_timeout_s)
            self._write(record)
            try:
                child = subprocess.Popen(
                    list(spec.argv),
                    env={**_base_environment(), **spec.env, _FAMILY_VARIABLE: str(self._pid_file)},
                    cwd=spec.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError:
                self._pid_file.unlink()
                raise
        _children[child.pid] = child
        started_at = psutil.Process(child.pid).create_time()
        self._write(record.model_copy(update={"pid": child.pid, "started_at": started_at}))
        return child.pid

    def wait_ready(self, spec: ProcessSpec, is_cancelled: Callable[[], bool] = lambda: False) -> None:
        """Wait until ``spec.ready`` returns None, while the process is running and ``is_cancelled`` returns false.

        Raises:
            ProcessDiedError: The process ended before it was ready.
            NotReadyError: The deadline passed, or the wait was cancelled.
        """
        deadline = time.monotonic() + spec.deadline_s
        while True:
            is_last = time.monotonic() > deadline  # before the probe: this process may stand still at any point
            missing = probe(spec.ready)
            if missing is None:
                return
            if self.pid is None:
                raise ProcessDiedError(f"{self.name} ended{self._exit_code()}. {self._log_end()}")
            if is_cancelled():
                raise NotReadyError(f"{self.name}: {missing}. The process keeps starting in the background")
            if is_last:
                raise NotReadyError(f"{self.name}: {missing} (after {spec.deadline_s:.0f} s). {self._log_end()}")
            time.sleep(_POLL_S)

    def stop(self, report: Callable[[str], None] = lambda _: None) -> bool:
        """Stop the process and all its descendants: TERM, wait, KILL. Return whether any was running."""
        record = self._record()
        if record is None:
            return False
        leader = self._find(record)
        if leader is not None:
            _signal(leader, signal.SIGTERM)
            if not _has_ended(leader, record.stop_timeout_s):
                report(f"{self.name} did not stop within {record.stop_timeout_s:.0f} s after TERM: sending KILL")
                _signal(leader, signal.SIGKILL)
                _await_end([leader])
        left = self._family()
        for process in left:
            _signal(process, signal.SIGKILL)
        _await_end(left)
        if leader is not None:
            _children.pop(leader.pid, None)
        self._pid_file.unlink(missing_ok=True)
        return leader is not None or bool(left)

    def kill(self, number: signal.Signals = signal.SIGKILL, *, family: bool = False) -> None:
        """Send a signal to the process. With ``family``, also to all its descendants, as the end of a container does.

        The pid file is kept, so the process counts as started and dead. With KILL, waits until the process has ended.

        Raises:
            ProcessDiedError: The process is not running.
        """
        record = self._record()
        leader = self._find(record) if record else None
        if record is None or leader is None:
            raise ProcessDiedError(f"{self.name} is not running")
        targets = [leader, *(p for p in self._family() if p.pid != leader.pid)] if family else [leader]
        for process in targets:
            _signal(process, number)
        if number == signal.SIGKILL:
            _await_end(targets)

    def log_tail(self, lines: int = _LOG_TAIL_LINES) -> str:
        """Return the last lines of its log since the last start."""
        if not self.log.exists():
            return ""
        record = self._record()
        with self.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(record.log_offset if record else 0, size - 64 * 1024))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def _record(self) -> _PidFile | None:
        try:
            return _PidFile.model_validate_json(self._pid_file.read_text())
        except FileNotFoundError:
            return None
        except ValidationError:
            return _PidFile(started_at=self._pid_file.stat().st_mtime)

    def _write(self, record: _PidFile) -> None:
        """Replace the pid file atomically."""
        fresh = self._pid_file.with_suffix(".new")
        fresh.write_text(record.model_dump_json())
        fresh.replace(self._pid_file)

    def _find(self, record: _PidFile) -> psutil.Process | None:
        """Return the recorded process if it is alive, and not another process with a reused pid."""
        if record.pid is None:
            return min(self._family(), key=lambda process: process.create_time(), default=None)
        if record.pid in _children:
            _children[record.pid].poll()
        try:
            process = psutil.Process(record.pid)
            same = abs(process.create_time() - record.started_at) < _START_TIME_TOLERANCE_S
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    def _family(self) -> list[psutil.Process]:
        """Return the process and all its descendants that are alive, including orphaned ones."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(_FAMILY_VARIABLE) == str(self._pid_file):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    def _exit_code(self) -> str:
        record = self._record()
        child = _children.get(record.pid) if record and record.pid else None
        return "" if child is None or child.returncode is None else f" with code {child.returncode}"

    def _log_end(self) -> str:
        return f"End of {self.log}:\n{self.log_tail()}"


def probe(ready: Callable[[], str | None]) -> str | None:
    """Return the result of ``ready``. An OSError means that the process is not ready yet."""
    try:
        return ready()
    except OSError as error:
        return f"no answer yet: {error}"


def _has_ended(leader: psutil.Process, timeout_s: float) -> bool:
    """Wait until a process is gone, reaped by whoever has to; return False if it is not within ``timeout_s``."""
    try:
        if leader.pid in _children:
            _children[leader.pid].wait(timeout_s)
        else:
            leader.wait(timeout_s)
    except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
        return False
    return True


def _await_end(killed: Sequence[psutil.Process]) -> None:
    """Wait until killed processes have ended, whether they are reaped or not."""
    deadline = time.monotonic() + _KILLED_WITHIN_S
    while any(has_threads(process) for process in killed) and time.monotonic() < deadline:
        time.sleep(_POLL_S / 10)


def has_threads(process: psutil.Process) -> bool:
    """Return whether a thread of ``process`` has not ended: it keeps its files and ports until then, reaped or not."""
    if process.pid in _children:
        _children[process.pid].poll()
    try:
        # A zombie may be the first thread alone.
        return process.is_running() and (process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1)
    except psutil.NoSuchProcess:
        return False


def _base_environment() -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # setproctitle (Airflow) would overwrite the environment with the title, and so the family variable.
    return {**inherited, "SPT_NOENV": "1", "PYTHONUNBUFFERED": "1"}


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
