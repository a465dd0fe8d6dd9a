"""Connections and transactions of the database: SQLite with a write-ahead log, or PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from uploader.errors import DatabaseFullError, ManifestLostError, ManifestUnavailableError
from uploader.store.database_guard import DatabaseGuard
from uploader.store.tables import SCHEMA, identity

_BUSY_TIMEOUT_S = 30
_MIGRATION_LOCK = 0x6373_7670  # "csvp": a number that no other program's advisory lock is likely to use
_STATEMENT_TIMEOUT = "-c statement_timeout=30000"
_POSTGRESQL: dict[str, str | int] = {
    "connect_timeout": 5,
    # Give up an unresponsive peer (failover, firewall) after seconds; TCP alone takes a quarter of an hour.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "options": _STATEMENT_TIMEOUT,
}
_PG_DISK_FULL = "53100"
_READ_ONLY = "csvpipe_read_only"
_AFTER_COMMIT = "csvpipe_after_commit"


def open_engine(url: str, *, guard: DatabaseGuard | None = None) -> Engine:
    """Connect to ``url`` and migrate the database to the newest schema; ``guard`` checks it at every transaction.

    Raises:
        ManifestLostError: its file is damaged.
        ManifestUnavailableError: the database does not answer.
    """
    parsed = make_url(url)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            _make_private(Path(parsed.database))
        engine = create_engine(parsed, connect_args={"timeout": _BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _prepare_sqlite)
    else:
        engine = create_engine(parsed, pool_pre_ping=True, connect_args=_postgresql_arguments(parsed))
    guard = guard or DatabaseGuard()
    event.listen(engine, "begin", lambda _: guard.check())
    if parsed.get_backend_name() == "sqlite":
        event.listen(engine, "begin", _begin_sqlite)
    try:
        with answering():
            _migrate(engine)
        with reading(engine) as connection:
            database_id = read_database_id(connection)
        file = Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None
        guard.watch(file=file, database_id=database_id)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _postgresql_arguments(url: URL) -> dict[str, str | int]:
    """Return the connection arguments that the URL does not set itself."""
    given = url.query.get("options")
    if given is None:
        return {name: value for name, value in _POSTGRESQL.items() if name not in url.query}
    options = given if isinstance(given, str) else " ".join(given)
    return {
        **_postgresql_arguments(url.difference_update_query(["options"])),
        "options": f"{_STATEMENT_TIMEOUT} {options}",
    }


@contextmanager
def answering() -> Iterator[None]:
    """Translate a database's failure to answer into our errors; other errors pass through.

    Raises:
        DatabaseFullError: its disk is full.
        ManifestLostError: its file is damaged.
        ManifestUnavailableError: the database is unreachable, locked for too long, or has no connection left.
    """
    try:
        yield
    except (OperationalError, PoolTimeoutError) as error:
        if isinstance(error, OperationalError) and _is_full(error):
            raise DatabaseFullError(f"the disk of the database of manifests is full: {_reason(error)}") from error
        raise ManifestUnavailableError(f"the database of manifests does not answer: {_reason(error)}") from error
    except DBAPIError as error:
        if getattr(error.orig, "sqlite_errorcode", None) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise ManifestLostError(
                f"the database of manifests is damaged: {error.orig}. Stop the uploader, move the file away (with -wal "
                "and -shm), and run `csvpipe recover`: it creates a new one from the manifests next to the chunk files"
            ) from error
        if not error.connection_invalidated:
            raise
        raise ManifestUnavailableError("the connection to the database of manifests broke") from error


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that writes. On SQLite it holds the write lock from its first statement."""
    calls: list[Callable[[], None]] = []
    with answering(), engine.begin() as connection:
        connection.info[_AFTER_COMMIT] = calls
        yield connection
    for call in calls:
        call()


def after_commit(connection: Connection, call: Callable[[], None]) -> None:
    """Make ``call``, which must not raise, when the transaction of :func:`writing` has been committed."""
    connection.info[_AFTER_COMMIT].append(call)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that reads from one snapshot."""
    options: dict[str, Any] = {_READ_ONLY: True}
    if engine.dialect.name == "postgresql":
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with answering(), engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


def read_database_id(connection: Connection) -> str | None:
    """Return the id of the database, or None if its row was removed.

    It was created with the schema: another database at the same URL has another id.
    """
    return connection.execute(select(identity.c.database_id)).scalar()


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401  a DB-API connection
    # Python's sqlite3 would open transactions implicitly, and too late: _begin_sqlite does it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    # A commit is on disk when it returns: an upload that was answered with 202 survives a power failure.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that writes later can fail immediately with SQLITE_BUSY, whatever the timeout.
    read_only = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _migrate(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        _use_write_ahead_log(engine)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # Several processes start together: one migrates, the others wait and then find nothing to do.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        if _schema_of(connection) == SCHEMA:
            return
        # Imported only if needed: alembic and its dependencies take 12 MB of memory.
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _schema_of(connection: Connection) -> str | None:
    """Return the revision that alembic has stored, or None if there are no tables yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _use_write_ahead_log(engine: Engine) -> None:
    # The switch needs exclusive access and does not wait for it as other statements do.
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    connection = engine.raw_connection()
    try:
        while True:
            try:
                mode = connection.cursor().execute("PRAGMA journal_mode=WAL").fetchone()
            except Exception as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
                continue
            if mode is not None and mode[0] not in {"wal", "memory"}:
                raise ManifestUnavailableError(
                    f"SQLite refuses journal_mode=WAL (it stays {mode[0]}): its file must be on a local disk"
                )
            return
    finally:
        connection.close()


def _make_private(database: Path) -> None:
    """Make the database readable by its owner alone, as it has clients' data. SQLite gives its log the same mode."""
    database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Never open an existing file: closing it would drop the locks that SQLite has on it in this process.
    with suppress(FileExistsError):
        os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    for path in (database, *(database.with_name(f"{database.name}-{part}") for part in ("wal", "shm"))):
        with suppress(FileNotFoundError, PermissionError):  # the file belongs to another user, who chose its mode
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)


def _is_full(error: OperationalError) -> bool:
    cause = error.orig
    full = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
    return getattr(cause, "sqlite_errorcode", None) in full or getattr(cause, "sqlstate", None) == _PG_DISK_FULL


def _reason(error: OperationalError | PoolTimeoutError) -> str:
    cause = error.orig if isinstance(error, OperationalError) else error
    return " ".join(str(cause).split())
