"""What a component of the local stack is: how it is prepared, configured, run and completed.

The order for each component is ``prepare`` (any time, in parallel with others), then, once all it ``needs`` are ready:
``configure``, start of all ``processes``, a wait until each is ready, ``after_start``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stack.process import ManagedProcess, ProcessSpec
from stack.secrets import Secrets
from stack.settings import StackSettings

__all__ = ["REPOSITORY", "Component", "ProcessSpec", "Report", "StackContext"]

REPOSITORY = Path(__file__).resolve().parent.parent
"""Root of the checkout: ``dags/``, ``nifi/`` and the Python packages lie here."""

Report = Callable[[str], None]
"""Tells the user one line about what goes on; the stack adds the component's name and the elapsed time."""


@dataclass(frozen=True, kw_only=True)
class StackContext:
    """Where one stack keeps its things. ``dist`` may be shared by many stacks, ``root`` belongs to one.

    Every port in ``settings`` is a real one here: 0 has been replaced by a free port.
    """

    root: Path
    dist: Path
    settings: StackSettings
    secrets: Secrets

    def process(self, component: str, name: str) -> ManagedProcess:
        """Return a process of a component, whether it runs or not."""
        return ManagedProcess(name, pid_dir=self.pid_dir(component), log_dir=self.root / "logs")

    def pid_dir(self, component: str) -> Path:
        """Return the directory of the pid files of a component's processes; it may not be there yet."""
        return self.root / "pids" / component

    def config_dir(self, component: str) -> Path:
        """Return (and make) the directory for a component's configuration."""
        return _made(self.root / "config" / component)

    def data_dir(self, component: str) -> Path:
        """Return (and make) the directory for a component's data."""
        return _made(self.root / "data" / component)

    def log_dir(self, component: str) -> Path:
        """Return (and make) the directory for log files that a component writes by itself."""
        return _made(self.root / "logs" / component)


class Component(Protocol):
    """One service of the stack. Made as ``Class(context)``; nothing happens before the first call of a method."""

    @property
    def name(self) -> str:
        """Name on the command line and in paths, such as ``kafka``."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the components that must be ready before this one is configured and started."""

    def prepare(self, report: Report) -> None:
        """Download or build into ``context.dist``: idempotent, and safe beside another stack that does the same.

        Use :func:`stack.dist.build_once`: it locks, builds in a temporary directory, stamps and renames.

        Raises:
            PrepareError: the download or the build failed.
            MissingToolError: a program that is needed for it is not there.
        """

    def configure(self) -> None:
        """Write the configuration under ``context.root``. Runs before every start; keeps data as it is."""

    def processes(self) -> list[ProcessSpec]:
        """Return the processes, in the order of their start. They are stopped in the reverse order."""

    def after_start(self, report: Report) -> None:
        """Make what must be there once the processes are ready (topics, bucket, flow). Runs after every start."""

    def addresses(self) -> dict[str, str]:
        """Return what a person may want to open or connect to, by a short label."""

    def note(self) -> str | None:
        """Return one line for ``csvpipe stack status`` that only this component knows, or None."""


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
