"""The interface of a component of the local stack, and the context that it is created with.

The stack calls ``prepare`` at any time, in parallel with other components. When all components in ``needs`` are ready,
it calls ``configure``, starts all ``processes``, waits until each is ready, and calls ``after_start``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stack.certificates import Certificates
from stack.process import ManagedProcess, ProcessSpec
from stack.secrets import Secrets
from stack.settings import StackSettings

__all__ = ["REPOSITORY", "Component", "ProcessSpec", "Report", "StackContext"]

REPOSITORY = Path(__file__).resolve().parent.parent
"""Root of the checkout, with ``dags/``, ``nifi/`` and the Python packages."""

Report = Callable[[str], None]
"""Prints one line of progress for the user. The stack adds the component's name and the elapsed time."""


@dataclass(frozen=True, kw_only=True)
class StackContext:
    """Directories, settings and secrets of a stack. ``dist`` can be shared by many stacks, ``root`` belongs to one.

    In ``settings``, every port of 0 has been replaced by a free port. If ``secure``, every connection is encrypted and
    authenticated.
    """

    root: Path
    dist: Path
    settings: StackSettings
    secrets: Secrets
    secure: bool = False

    @property
    def certificates(self) -> Certificates:
        """Return the certificates of a secure stack."""
        return Certificates(self.root / "certificates", host=self.settings.host)

    @property
    def ca_file(self) -> Path | None:
        """Return the certificate that clients trust, or None if the stack is not secure."""
        return self.certificates.ca_file if self.secure else None

    def url(self, port: int) -> str:
        """Return the address of a service that is served by HTTP, and by HTTPS if the stack is secure."""
        return f"{'https' if self.secure else 'http'}://{self.settings.host}:{port}"

    def process(self, component: str, name: str) -> ManagedProcess:
        """Return a process of a component, running or not."""
        return ManagedProcess(name, pid_dir=self.pid_dir(component), log_dir=self.root / "logs")

    def pid_dir(self, component: str) -> Path:
        """Return the directory of the pid files of a component's processes. It may not exist yet."""
        return self.root / "pids" / component

    def config_dir(self, component: str) -> Path:
        """Return the directory for a component's configuration, and create it."""
        return _create(self.root / "config" / component)

    def data_dir(self, component: str) -> Path:
        """Return the directory for a component's data, and create it."""
        return _create(self.root / "data" / component)

    def log_dir(self, component: str) -> Path:
        """Return the directory for log files that a component writes itself, and create it."""
        return _create(self.root / "logs" / component)


class Component(Protocol):
    """A service of the stack, created as ``Class(context)``. Creating it has no side effects."""

    @property
    def name(self) -> str:
        """Name on the command line and in paths, such as ``kafka``."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the components that must be ready before this one is configured and started."""

    def prepare(self, report: Report) -> None:
        """Download or build into ``context.dist``. Idempotent, and safe if another stack does the same concurrently.

        Use :func:`stack.dist.build_once`, which locks, builds in a temporary directory, writes a stamp and renames.

        Raises:
            PrepareError: The download or the build failed.
            MissingToolError: A required program is not installed.
        """

    def configure(self) -> None:
        """Write the configuration under ``context.root``. Called before every start. Must not change data."""

    def processes(self) -> list[ProcessSpec]:
        """Return the processes, in the order in which they are started."""

    def after_start(self, report: Report) -> None:
        """Create topics, a bucket or a flow in the running service. Called after every start."""

    def addresses(self) -> dict[str, str]:
        """Return addresses for users, by a short label."""

    def description(self) -> str:
        """Return a line for ``csvpipe stack status``, such as the version."""


def _create(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
