"""The local stack: prepare, start and stop its components in the order of their dependencies."""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path

from stack.component import REPOSITORY, Component, Report, StackContext
from stack.components import component_classes
from stack.encryption import check_encryption
from stack.errors import StackBusyError, StackError, StackModeError, UnknownNameError
from stack.process import ManagedProcess
from stack.report import StackReport, silent
from stack.secrets import Secrets
from stack.settings import StackSettings, load_settings

DEFAULT_ROOT = REPOSITORY / ".stack" / "run"
DEFAULT_DIST = REPOSITORY / ".stack" / "dist"
_LOCK = ".lock"
_MODE = "mode"
_SECURE, _PLAIN = "secure", "plain"

WaitFor = Callable[[Sequence[str]], None]
"""Waits until the given components are ready, if this command starts them."""


class LocalStack:
    """Kafka, MinIO, NiFi, Airflow and the uploader as processes of this machine.

    Several stacks can run at the same time: ``root`` has the state, data, logs and pid files of one, ``dist`` the
    downloads and builds of all. Another ``LocalStack`` with the same ``root`` finds the processes of this one.
    """

    def __init__(
        self,
        *,
        root: Path = DEFAULT_ROOT,
        dist: Path = DEFAULT_DIST,
        settings: StackSettings | None = None,
        report: StackReport = silent,
    ) -> None:
        self.root = root.resolve()
        self.dist = dist.resolve()
        self._settings = settings or load_settings()
        self._report = report
        self._processes: dict[tuple[str, str], ManagedProcess] = {}
        self._processes_lock = threading.Lock()
        self._cancelled = threading.Event()

    @cached_property
    def context(self) -> StackContext:
        """Return the context of this stack. Free ports and secrets are chosen on first use, and saved."""
        self.root.mkdir(parents=True, exist_ok=True)
        settings = _with_kept_ports(self._settings, self.root / "ports.json")
        secrets = Secrets.load_or_generate(self.root / "secrets.json", settings)
        kept = self._kept_mode()
        secure = bool(settings.secure) if kept is None else kept
        return StackContext(root=self.root, dist=self.dist, settings=settings, secrets=secrets, secure=secure)

    @cached_property
    def components(self) -> dict[str, Component]:
        """Return all components by name, in an order in which they can be started."""
        components: list[Component] = [create(self.context) for create in component_classes()]
        return {component.name: component for component in components}

    def prepare(self, names: Sequence[str] | None = None) -> None:
        """Download and build ``names`` (default: all) and their dependencies, in parallel.

        Raises:
            StackError: A preparation failed. The others were completed.
        """
        self._in_parallel(names, self._prepare)

    def start(self, names: Sequence[str] | None = None) -> None:
        """Prepare and start ``names`` (default: all) and their dependencies. Running processes are not restarted.

        Raises:
            SettingsError: The encryption of the objects needs a secure stack.
            StackError: A component did not start. The others keep running until :meth:`stop`.
            StackModeError: ``STACK_SECURE`` differs from the mode of processes that are running.
        """
        with self._exclusive():
            self._enter_mode()
            check_encryption(self.context)
            self._in_parallel(names, self._bring_up)

    def stop(self, names: Sequence[str] | None = None) -> None:
        """Stop ``names`` (default: all) in the reverse order of the start, with all of their processes."""
        with self._exclusive():
            self._stop(names)

    def restart(self, name: str) -> None:
        """Stop one component and start it again."""
        self.stop([name])
        self.start([name])

    def kill(self, process: str, number: signal.Signals = signal.SIGKILL, *, family: bool = False) -> None:
        """Send a signal to a process (see :meth:`ManagedProcess.kill`). :meth:`start` starts a dead process again.

        Raises:
            UnknownNameError: No process of that name was started.
            ProcessDiedError: The process is not running.
        """
        self.process(process).kill(number, family=family)

    def reset(self) -> None:
        """Stop all components and delete data, logs and configuration. Downloads and builds are kept."""
        with self._exclusive():
            self._stop(None)
            for path in self.root.iterdir():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                elif path.name != _LOCK:
                    path.unlink()
            shutil.rmtree(self.root, ignore_errors=True)  # the lock last: it keeps other commands from starting
        self._forget()

    def process(self, name: str) -> ManagedProcess:
        """Return a process by its name, such as ``airflow-scheduler``.

        Raises:
            UnknownNameError: No process of that name was started.
        """
        for process in self.all_processes():
            if process.name == name:
                return process
        started = ", ".join(p.name for p in self.all_processes()) or "none"
        raise UnknownNameError(f"unknown process {name!r}; started processes: {started}")

    def all_processes(self) -> list[ManagedProcess]:
        """Return the processes that were started and not stopped, including dead ones."""
        return [process for name in self.components for process in self.processes_of(name)]

    def processes_of(self, component: str) -> list[ManagedProcess]:
        """Return the started processes of a component."""
        files = sorted(self.context.pid_dir(component).glob("*.json"))
        return [self._managed(component, file.stem) for file in files]

    def _kept_mode(self) -> bool | None:
        """Return whether the last start was secure, or None if there was none."""
        file = self.root / _MODE
        return file.read_text() == _SECURE if file.exists() else None

    def _enter_mode(self) -> None:
        """Keep the mode for all later commands. A secure stack gets its certificates."""
        wanted = self._settings.secure
        if wanted is not None and wanted != self.context.secure:
            if any(process.pid for process in self.all_processes()):
                raise StackModeError(
                    f"the stack in {self.root} runs {'with' if self.context.secure else 'without'} TLS. "
                    "Stop it first: csvpipe stack down"
                )
            (self.root / _MODE).unlink(missing_ok=True)
            self._forget()
        (self.root / _MODE).write_text(_SECURE if self.context.secure else _PLAIN)
        if self.context.secure and (renewed := self.context.certificates.renew()):
            self._report("stack", f"certificates issued: {', '.join(renewed)}")

    def _forget(self) -> None:
        for name in ("context", "components"):
            self.__dict__.pop(name, None)

    def _managed(self, component: str, name: str) -> ManagedProcess:
        with self._processes_lock:
            key = (component, name)
            if key not in self._processes:
                self._processes[key] = self.context.process(component, name)
            return self._processes[key]

    def _prepare(self, component: Component, _: WaitFor) -> None:
        report = self._reporter(component.name)
        component.prepare(report)
        report("prepared")

    def _bring_up(self, component: Component, wait_for: WaitFor) -> None:
        report = self._reporter(component.name)
        component.prepare(report)
        wait_for(component.needs)
        running = {process.name for process in self.processes_of(component.name) if process.pid}
        specs = component.processes()
        if running >= {spec.name for spec in specs}:
            report("already running")
        else:
            component.configure()
            specs = component.processes()
        for spec in specs:
            if spec.name not in running:
                wait_for(spec.after)
                report(f"starting {spec.name} (pid {self._managed(component.name, spec.name).start(spec)})")
        for spec in specs:
            self._managed(component.name, spec.name).wait_ready(spec, self._cancelled.is_set)
        component.after_start(report)
        report("ready" + "".join(f", {label} {address}" for label, address in component.addresses().items()))

    def _stop(self, names: Sequence[str] | None) -> None:
        for name in reversed(self._select(names)):
            self._stop_component(name)

    def _stop_component(self, name: str) -> None:
        report = self._reporter(name)
        processes = self.processes_of(name)
        if not processes:
            return
        with ThreadPoolExecutor(len(processes)) as pool:
            stopped = list(pool.map(lambda process: process.stop(report), processes))
        report("stopped" if any(stopped) else "was not running")

    def _in_parallel(self, names: Sequence[str] | None, work: Callable[[Component, WaitFor], None]) -> None:
        """Run ``work`` for each component in a thread. Each call gets a function that waits for other components."""
        chosen = self._with_needs(names)
        if not chosen:
            return
        futures: dict[str, Future[None]] = {}

        def wait_for(needs: Sequence[str]) -> None:
            for need in needs:
                if need in chosen and futures[need].exception() is not None:
                    raise _DependencyFailedError(f"not started, because {need} failed")

        with ThreadPoolExecutor(len(chosen)) as pool:
            for name in chosen:
                component = self.components[name]
                futures[name] = pool.submit(self._report_failure, name, work, component, wait_for)
            try:
                wait(futures.values())
            except BaseException:
                self._cancelled.set()
                raise
        faults = [error for future in futures.values() if (error := future.exception())]
        for error in sorted(faults, key=lambda error: isinstance(error, _DependencyFailedError)):
            raise error

    def _report_failure(
        self, name: str, work: Callable[[Component, WaitFor], None], component: Component, wait_for: WaitFor
    ) -> None:
        """Do ``work``, and report a failure immediately, as other components can continue for minutes."""
        try:
            work(component, wait_for)
        except Exception as error:
            self._report(name, f"FAILED: {(str(error) or repr(error)).splitlines()[0]}")
            raise

    def _with_needs(self, names: Sequence[str] | None) -> list[str]:
        wanted: set[str] = set()

        def add(name: str) -> None:
            wanted.add(name)
            for need in self.components[name].needs:
                add(need)

        for name in self._select(names):
            add(name)
        return [name for name in self.components if name in wanted]

    def _select(self, names: Sequence[str] | None) -> list[str]:
        """Return ``names``, or all if None, in the order of the components."""
        if names is None:
            return list(self.components)
        unknown = set(names) - self.components.keys()
        if unknown:
            raise UnknownNameError(
                f"unknown component {', '.join(sorted(unknown))}; components: {', '.join(self.components)}"
            )
        return [name for name in self.components if name in names]

    def _reporter(self, component: str) -> Report:
        return partial(self._report, component)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Prevent two commands from starting or stopping the same stack at the same time."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / _LOCK).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StackBusyError(f"another command is starting or stopping the stack in {self.root}") from error
            yield


class _DependencyFailedError(StackError):
    """A component was not started, because a component that it needs failed."""

    code = "dependency_failed"
    title = "Dependency failed"


def _with_kept_ports(settings: StackSettings, file: Path) -> StackSettings:
    """Replace each port 0 by the port of the last start, or by a free port that is saved for the next."""
    kept = json.loads(file.read_text()) if file.exists() else {}
    open_ports = [name for name, port in settings.ports().items() if port == 0]
    if not open_ports:
        return settings
    known = {name: kept[name] for name in open_ports if name in kept}
    resolved = settings.model_copy(update=known).with_free_ports()
    file.write_text(json.dumps({name: resolved.ports()[name] for name in open_ports}))
    return resolved
