"""One process of the stack: started in a session of its own, known by pid and start time, stopped in order."""

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
from stack.ports import holder_of, is_free

_INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER")
_FAMILY_VARIABLE = "CSVPIPE_STACK_FAMILY"
_LOG_TAIL_LINES = 40
_POLL_S = 0.2
_children: dict[int, subprocess.Popen[bytes]] = {}
"""Started by this interpreter, by pid: only a parent can reap its children, and another object may stop them."""
_START_TIME_TOLERANCE_S = 2.0
"""psutil derives the start time from the boot time, which moves a little when the clock is set."""


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """How to run one process.

    Attributes:
        name: unique in the stack, such as ``kafka`` or ``airflow-scheduler``.
        argv: the command. It must not fork away: the started pid is the process.
        env: added to a small inherited base (PATH, HOME ...), so that a developer's variables do not leak in.
        cwd: working directory, made if missing.
        ready: returns None once the process does its work, else one line that says what is still missing. It asks the
            process itself (an API call, a metadata request), never its log. May raise OSError for "no answer yet".
        host: address that its ports are on.
        ports: TCP ports that must be free before the start; so a taken one is named at once.
        after: components that must be ready before it is started, where they are started by the same command.
        deadline_s: time to become ready.
        stop_timeout_s: time between TERM and KILL.
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
    """What is kept of a started process.

    Without a pid its starter was killed before it knew it: the process runs all the same, and is found by its family.
    """

    pid: int | None = None
    started_at: float
    log_offset: int = 0
    stop_timeout_s: float = 20.0


class ManagedProcess:
    """A process that outlives us, found again by its pid file.

    The path of that file stands in the environment of the process and of all its descendants: they are one family.
    ``spec`` is needed for a start alone: to look at or to stop a process, its name is enough.
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
        """Return when it was started, be it alive or dead by now; None where it was not, or was stopped since."""
        record = self._record()
        return datetime.fromtimestamp(record.started_at, UTC) if record else None

    def start(self, spec: ProcessSpec) -> int:
        """Start the process and return its pid; what a dead predecessor left behind is stopped first.

        Raises:
            PortTakenError: somebody else listens on one of its ports.
        """
        self.stop()
        for port in spec.ports:
            if not is_free(port, host=spec.host):
                raise PortTakenError(
                    f"{self.name} needs port {port}, which is taken by {holder_of(port)}. "
                    "Stop that program, or choose another port (STACK_*_PORT)",
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

    def wait_ready(self, spec: ProcessSpec, given_up: Callable[[], bool] = lambda: False) -> None:
        """Wait until ``spec.ready`` is content, with an eye on the process, or until ``given_up`` says so.

        Raises:
            ProcessDiedError: it ended before.
            NotReadyError: its deadline passed, or the wait was given up.
        """
        deadline = time.monotonic() + spec.deadline_s
        while True:
            missing = ask(spec.ready)
            if missing is None:
                return
            if self.pid is None:
                raise ProcessDiedError(f"{self.name} ended{self._exit_code()}. {self._log_note()}")
            if given_up():
                raise NotReadyError(f"{self.name}: {missing}. Nobody waits any more, it goes on by itself")
            if time.monotonic() > deadline:
                raise NotReadyError(f"{self.name}: {missing} (after {spec.deadline_s:.0f} s). {self._log_note()}")
            time.sleep(_POLL_S)

    def stop(self, say: Callable[[str], None] = lambda _: None) -> bool:
        """Stop it with all its descendants: TERM, wait, KILL. Return whether anything was there to stop."""
        record = self._record()
        if record is None:
            return False
        leader = self._find(record)
        if leader is not None:
            _signal(leader, signal.SIGTERM)
            if not _gone(leader, record.stop_timeout_s):
                say(f"{self.name} did not stop within {record.stop_timeout_s:.0f} s of TERM: KILL")
                _signal(leader, signal.SIGKILL)
                _gone(leader, record.stop_timeout_s)
        left = self._family()
        for process in left:
            _signal(process, signal.SIGKILL)
        psutil.wait_procs(left, timeout=5)
        if leader is not None:
            _children.pop(leader.pid, None)
        self._pid_file.unlink(missing_ok=True)
        return leader is not None or bool(left)

    def kill(self, number: signal.Signals = signal.SIGKILL, *, family: bool = False) -> None:
        """Send a signal to the process, or with ``family`` to all its descendants too, as a container's end does.

        The pid file stays: the process counts as started, and dead. Returns once it is gone if the signal is KILL.

        Raises:
            ProcessDiedError: it is not running.
        """
        record = self._record()
        leader = self._find(record) if record else None
        if record is None or leader is None:
            raise ProcessDiedError(f"{self.name} is not running")
        targets = [leader, *(p for p in self._family() if p.pid != leader.pid)] if family else [leader]
        for process in targets:
            _signal(process, number)
        if number == signal.SIGKILL:
            psutil.wait_procs(targets[1:], timeout=5)
            _gone(leader, 5)

    def log_tail(self, lines: int = _LOG_TAIL_LINES) -> str:
        """Return the last lines that it logged since its last start."""
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
        """Replace the pid file as a whole: a reader sees the old one or the new one."""
        fresh = self._pid_file.with_suffix(".new")
        fresh.write_text(record.model_dump_json())
        fresh.replace(self._pid_file)

    def _find(self, record: _PidFile) -> psutil.Process | None:
        """Return the recorded process if it is alive and truly that one, not another with a reused pid."""
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
        """Return the process and all its descendants, however they were orphaned since; the dead are left out."""
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

    def _log_note(self) -> str:
        return f"The end of {self.log}:\n{self.log_tail()}"


def ask(ready: Callable[[], str | None]) -> str | None:
    """Return the answer of ``ready``; that nobody answers is an answer too."""
    try:
        return ready()
    except OSError as error:
        return f"no answer yet: {error}"


def _gone(leader: psutil.Process, timeout_s: float) -> bool:
    try:
        if leader.pid in _children:
            _children[leader.pid].wait(timeout_s)
        else:
            leader.wait(timeout_s)
    except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
        return False
    return True


def _base_environment() -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # setproctitle (Airflow) would write the title over the environment, and with it over the family.
    return {**inherited, "SPT_NOENV": "1", "PYTHONUNBUFFERED": "1"}


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
