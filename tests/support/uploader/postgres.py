"""A real PostgreSQL server for a test, on a free port and as an unprivileged user."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from stack.errors import MissingToolError
from stack.ports import free_ports
from stack.tools import provide
from tests.support.waiting import wait_until

_DEBIAN = Path("/usr/lib/postgresql")
_NO_CLUSTER = Path("/etc/postgresql-common/createcluster.conf")
_USER = "nobody"
_END_WITHIN_MS = 60_000


class PostgresServer:
    """A server with as many empty databases as are asked for."""

    def __init__(self, *, port: int, process: subprocess.Popen[bytes]) -> None:
        self._port = port
        self._process = process

    def new_database(self) -> str:
        """Create a database and return its URL."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)

    def url(self, database: str, *, role: str = "csvpipe") -> str:
        """Return the URL of a database for a role; the default is the superuser. No role needs a password."""
        return f"postgresql://{role}@127.0.0.1:{self._port}/{database}"

    def administer(self, database: str, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as superuser, each in a transaction of its own. Return the rows of the last one."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def drop_connections(self, database_url: str) -> None:
        """End all sessions of a database, as a failover does, and wait until they have ended."""
        name = database_url.rpartition("/")[2]
        end = "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE datname = %s"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(end, (_END_WITHIN_MS, name))

    def replace(self, database_url: str, other_url: str) -> None:
        """Give a database the name of one that is in use; nobody can connect to that name meanwhile."""
        name, other = (url.rpartition("/")[2] for url in (database_url, other_url))
        for each in (name, other):  # or a session that begins between two statements keeps it from being renamed
            self.administer("postgres", f'ALTER DATABASE "{each}" ALLOW_CONNECTIONS false')
            self.drop_connections(self.url(each))
        self.administer(
            "postgres",
            f'ALTER DATABASE "{name}" RENAME TO "away_{name}"',
            f'ALTER DATABASE "{other}" RENAME TO "{name}"',
            f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true',
        )

    def answers(self) -> bool:
        """Return whether it takes connections; raises where it has ended."""
        assert self._process.poll() is None, f"PostgreSQL ended with {self._process.returncode}"
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start a PostgreSQL; as root it runs under another user, which it insists on."""
    binaries = provide(_find_binaries, ("postgresql",), _before_install)
    root = Path(tempfile.mkdtemp(prefix="csvpipe-postgres-"))
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        shutil.chown(root, _USER, "nogroup")
        user = {"user": _USER, "group": "nogroup", "extra_groups": []}
    data, [port] = root / "data", free_ports(1)
    try:
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "csvpipe", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=root,
            **user,
        )
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "port": str(port)}
        arguments = [f"--{name}={value}" for name, value in options.items()]
        with (root / "log").open("wb") as log:
            process = subprocess.Popen(
                [binaries / "postgres", "-D", data, *arguments], cwd=root, stdout=log, stderr=log, **user
            )
            try:
                server = PostgresServer(port=port, process=process)
                wait_until(server.answers, what="PostgreSQL takes connections", deadline_s=60, poll_s=0.1)
                yield server
            finally:
                process.send_signal(signal.SIGINT)  # fast shutdown: sessions are ended, data is written
                process.wait(timeout=60)
    finally:
        shutil.rmtree(root)


def _find_binaries() -> Path:
    on_path = shutil.which("initdb")
    places = sorted(_DEBIAN.glob("*/bin"), key=lambda place: float(place.parent.name), reverse=True)
    for place in [*([Path(on_path).resolve().parent] if on_path else []), *places]:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    raise MissingToolError("PostgreSQL's server is needed. Install it (Debian: apt install postgresql)", tool="initdb")


def _before_install(_: str) -> None:
    """Keep Debian's package from making and starting a cluster that nobody asked for."""
    if not _NO_CLUSTER.exists():
        _NO_CLUSTER.parent.mkdir(parents=True, exist_ok=True)
        _NO_CLUSTER.write_text("create_main_cluster = false\n")
