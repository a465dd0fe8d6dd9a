"""Checkpoints in a local SQLite file, for jobs outside AWS."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import SettingsError
from sequencer.checkpoint.serialization import NUMBERS, TEXTS, from_fields, to_fields
from sequencer.errors import CheckpointsUnavailableError, LeaseHeldError, LeaseLostError
from sequencer.model.checkpoint import Checkpoint

_BUSY_S = 5.0
_FIELDS = (*NUMBERS, *TEXTS)
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS jobs (job_id TEXT PRIMARY KEY, "
    + ", ".join([*(f"{name} INTEGER" for name in NUMBERS), *(f"{name} TEXT" for name in TEXTS)])
    + ", lease_owner TEXT, lease_until REAL) STRICT"
)


class SqliteCheckpoints:
    """Checkpoints in an SQLite file. Thread-safe: each call opens its own connection.

    Raises:
        SettingsError: the file cannot be created.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"CHECKPOINT_FILE {path}: {error.strerror}") from error
        try:
            sqlite3.connect(path).close()
            with self._transaction() as connection:
                connection.execute(_SCHEMA)
        except sqlite3.Error as error:
            raise SettingsError(f"CHECKPOINT_FILE {path}: {error}") from error

    def load(self, job_id: str) -> Checkpoint | None:
        """Return the last checkpoint of a job, or None."""
        with self._transaction() as connection:
            row = connection.execute(
                f"SELECT {', '.join(_FIELDS)} FROM jobs WHERE job_id = ? AND timestamp IS NOT NULL",  # noqa: S608  names of ours
                (job_id,),
            ).fetchone()
        return None if row is None else from_fields(job_id, dict(zip(_FIELDS, row, strict=True)))

    def save(self, checkpoint: Checkpoint, *, owner: str) -> None:
        """Save a checkpoint if ``owner`` holds the lease."""
        fields = to_fields(checkpoint)
        changes = ", ".join(f"{name} = ?" for name in fields)
        with self._transaction() as connection:
            changed = connection.execute(
                f"UPDATE jobs SET {changes} WHERE job_id = ? AND lease_owner = ?",  # noqa: S608  names of ours
                (*fields.values(), checkpoint.job_id, owner),
            ).rowcount
        if not changed:
            raise LeaseLostError.of(checkpoint.job_id, owner=owner)

    def delete(self, job_id: str) -> None:
        """Delete the checkpoint and the lease of a job."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM jobs WHERE job_id = ?", (job_id,))

    def acquire_lease(
        self, job_id: str, *, owner: str, now: float, lease_s: float, is_dead: Callable[[str], bool]
    ) -> None:
        """Acquire the lease if it is available."""
        with self._transaction() as connection:
            row = connection.execute("SELECT lease_owner, lease_until FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
            holder, until = row if row and row[0] else (None, 0.0)
            if holder not in (None, owner) and until > now and not is_dead(holder):
                raise LeaseHeldError.of(job_id, owner=holder, until=until)
            connection.execute(
                "INSERT INTO jobs (job_id, lease_owner, lease_until) VALUES (?, ?, ?) ON CONFLICT (job_id) DO UPDATE "
                "SET lease_owner = excluded.lease_owner, lease_until = excluded.lease_until",
                (job_id, owner, now + lease_s),
            )

    def renew_lease(self, job_id: str, *, owner: str, until: float) -> None:
        """Extend the lease to ``until``."""
        with self._transaction() as connection:
            changed = connection.execute(
                "UPDATE jobs SET lease_until = ? WHERE job_id = ? AND lease_owner = ?", (until, job_id, owner)
            ).rowcount
        if not changed:
            raise LeaseLostError.of(job_id, owner=owner)

    def release_lease(self, job_id: str, *, owner: str) -> None:
        """Release the lease."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE jobs SET lease_owner = NULL, lease_until = NULL WHERE job_id = ? AND lease_owner = ?",
                (job_id, owner),
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            finally:
                connection.close()  # rolls back an open transaction
        except sqlite3.OperationalError as error:
            raise CheckpointsUnavailableError(f"CHECKPOINT_FILE {self._path}: {error}") from error
