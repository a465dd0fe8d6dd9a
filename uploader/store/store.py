"""The database of manifests: one engine, and the stores of its tables."""

from __future__ import annotations

import socket

from sqlalchemy import Engine

from uploader.store.admissions import AdmissionStore
from uploader.store.audit import AuditStore, OnRecord
from uploader.store.backlog import Backlog
from uploader.store.changes import ChangeStore
from uploader.store.chunks import ChunkStore
from uploader.store.claims import ClaimStore
from uploader.store.database_guard import DatabaseGuard
from uploader.store.datasets import DatasetStore
from uploader.store.engine import open_engine, read_database_id, reading
from uploader.store.keys import KeyStore
from uploader.store.leases import LeaseStore
from uploader.store.replicas import ReplicaStore
from uploader.store.resumable_uploads import ResumableUploadStore
from uploader.store.signing_keys import SigningKeyStore
from uploader.store.statistics import StatisticsStore
from uploader.store.uploads import UploadStore


class Store:
    """Manifests, the outbox that they form, replicas and leases, in SQLite or PostgreSQL.

    Every method of its parts is one transaction and blocks: call it from a thread, never on the event loop. Each raises
    :class:`uploader.errors.ManifestUnavailableError` if the database does not answer.
    """

    def __init__(self, engine: Engine, guard: DatabaseGuard, audit: AuditStore) -> None:
        self._engine = engine
        self._guard = guard
        self.audit = audit
        self.uploads = UploadStore(engine, guard, audit)
        self.chunks = ChunkStore(engine, audit)
        self.datasets = DatasetStore(engine)
        self.changes = ChangeStore(engine)
        self.claims = ClaimStore(engine)
        self.backlog = Backlog(engine)
        self.leases = LeaseStore(engine)
        self.replicas = ReplicaStore(engine)
        self.keys = KeyStore(engine, audit)
        self.signing_keys = SigningKeyStore(engine)
        self.statistics = StatisticsStore(engine)
        self.admissions = AdmissionStore(engine)
        self.resumable_uploads = ResumableUploadStore(engine)

    def check_usable(self) -> None:
        """Check that the database is still the one that was opened, without a query.

        Raises:
            ManifestLostError: it is gone, or was replaced.
        """
        self._guard.check()

    def declare_lost(self, why: str) -> None:
        """Refuse every transaction from now on: the database does not belong to the files on the disk."""
        self._guard.declare_lost(why)

    def ping(self) -> None:
        """Check that the database answers and is the one that was opened.

        Raises:
            ManifestLostError: it was replaced.
        """
        with reading(self._engine) as connection:
            self._guard.check_id(read_database_id(connection))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def open_store(url: str, *, replica: str | None = None, on_record: OnRecord = lambda _: None) -> Store:
    """Open the database at ``url`` and migrate it to the newest schema.

    ``replica`` is the one whose audit chain is written, by default that of the host name. ``on_record`` is called with
    each audit record after its transaction was committed, and must not raise.

    Raises:
        ManifestLostError: its file is damaged.
        ManifestUnavailableError: the database does not answer.
    """
    guard = DatabaseGuard()
    engine = open_engine(url, guard=guard)
    return Store(engine, guard, AuditStore(engine, replica=replica or socket.gethostname(), on_record=on_record))
