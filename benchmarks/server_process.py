"""Servers under test, started on a free port; CPU time and peak memory are read from /proc."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from csvpipe.commands.serve import HTTP_PROTOCOL

NO_BROKER = "127.0.0.1:9"
"""An address at which no Kafka listens."""
_START_S = 60.0


@dataclass(frozen=True)
class Server:
    """A listening process."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Return the CPU time used so far, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        """Return the RSS in MB (10^6 bytes)."""
        return self._status_mb("VmRSS")

    def peak_rss_mb(self) -> float:
        """Return the peak RSS since :meth:`reset_peak_rss`, in MB (10^6 bytes)."""
        return self._status_mb("VmHWM")

    def reset_peak_rss(self) -> None:
        """Reset the peak RSS (proc_pid_clear_refs(5))."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _status_mb(self, name: str) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{name}:")) * 1024 / 1e6


Start = Callable[[Path], AbstractContextManager[Server]]
"""Starts a server that stores its files in a directory."""


@contextmanager
def running(command: list[str], *, port: int, env: dict[str, str], log: Path) -> Iterator[Server]:
    """Run a server until the context ends; yield it once it listens.

    Raises:
        RuntimeError: it did not start; the text holds the end of its log.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(command, env={**os.environ, **env}, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + _START_S
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def uvicorn(app: str, *options: str, **env: str) -> Start:
    """Return a starter of ``app`` in uvicorn with one worker; ``{directory}`` in values of ``env`` is replaced."""

    def start(directory: Path) -> AbstractContextManager[Server]:
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--loop", "uvloop", "--http", "httptools"]
        command += ["--log-level", "warning", *options]
        given = {name: value.format(directory=directory) for name, value in env.items()}
        return running(command, port=port, env={"BENCH_DIR": str(directory), **given}, log=directory / "server.log")

    return start


def uploader(*, kafka: str = NO_BROKER, **settings: str) -> Start:
    """Return a starter of the uploader with its defaults and ``settings``, as ``csvpipe serve`` runs it."""
    return uvicorn(
        "uploader.app:create_app",
        *("--http", HTTP_PROTOCOL, "--ws", "none", "--factory"),
        TEMP_DIR="{directory}/chunks",
        KAFKA_BROKER=kafka,
        **settings,
    )


def nginx(directory: Path) -> AbstractContextManager[Server]:
    """Start nginx with one process; it stores a PUT by WebDAV."""
    port = free_port()
    config = directory / "nginx.conf"
    config.write_text(
        "user root; daemon off; master_process off; worker_processes 1; error_log stderr;\n"
        f"pid {directory}/nginx.pid;\nevents {{}}\n"
        f"http {{ access_log off; client_max_body_size 0; client_body_temp_path {directory}/bodies;\n"
        f"server {{ listen 127.0.0.1:{port}; root {directory}; location / {{ dav_methods PUT; }} }} }}\n"
    )
    return running(["nginx", "-c", str(config), "-p", str(directory)], port=port, env={}, log=directory / "server.log")


def free_port() -> int:
    """Return an unused port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
