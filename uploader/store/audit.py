"""Audit records in the database: one chain for each replica, to which its workers append in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, and_, bindparam, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from contracts.audit import FIRST_PREVIOUS_HASH, AuditAction, AuditHead, AuditRecord, hash_record
from uploader.access.audit import AuditEvent, recordable
from uploader.errors import AuditChainError
from uploader.store.engine import after_commit, reading, writing
from uploader.store.tables import audit_heads, audit_records

MAX_DETAIL_CHARS = 500
_MAX_NAME_CHARS = 128
# Built once: every upload executes them.
_LOCK_HEAD = select(audit_heads).where(audit_heads.c.replica == bindparam("new_replica")).with_for_update()
_INSERT = insert(audit_records).values(
    {column.name: bindparam(f"new_{column.name}") for column in audit_records.columns}
)
_MOVE_HEAD = (
    update(audit_heads)
    .where(audit_heads.c.replica == bindparam("new_replica"))
    .values(sequence=bindparam("new_sequence"), hash=bindparam("new_hash"))
)
_APPEND = {
    "sqlite": (_INSERT, _MOVE_HEAD),
    "postgresql": (_INSERT.add_cte(_MOVE_HEAD.cte("moved")),),  # one round trip
}
"""The statements that append a record, by the name of the dialect."""
OnRecord = Callable[[AuditRecord], None]
"""Called with each record after its transaction was committed; must not raise."""


@dataclass(frozen=True, kw_only=True)
class AuditQuery:
    """Which records to list: the newest first, starting after the position ``(at, replica, sequence)``.

    ``actor`` is a name or the id of a key; ``since`` is inclusive, ``until`` is not.
    """

    limit: int
    after: tuple[datetime, str, int] | None = None
    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    action: AuditAction | None = None
    outcome: str | None = None
    dataset: str | None = None
    upload_id: str | None = None
    replica: str | None = None


class AuditStore:
    """The audit records of all replicas. Records are appended to the chain of ``replica``, and never changed."""

    def __init__(self, engine: Engine, *, replica: str, on_record: OnRecord = lambda _: None) -> None:
        self._engine = engine
        self._replica = replica
        self._on_record = on_record

    def append(self, connection: Connection, event: AuditEvent) -> AuditRecord:
        """Append a record to the chain of this replica, in the transaction of the change that it tells of.

        Call it last in the transaction: until its end it holds the lock of the chain's head, for which the other
        workers of the replica wait. As no transaction takes another lock after that one, there is no deadlock.

        Raises:
            AuditChainError: the next record exists already.
        """
        last = self._lock_head(connection)
        values: dict[str, Any] = {
            "replica": self._replica,
            "sequence": last.sequence + 1,
            "at": datetime.now(UTC),
            "actor": recordable(event.actor.principal.name, max_chars=_MAX_NAME_CHARS),
            "key_id": event.actor.principal.key_id,
            "address": recordable(event.actor.address, max_chars=_MAX_NAME_CHARS),
            "action": event.action.value,
            "outcome": event.outcome,
            "upload_id": event.upload_id,
            "dataset": event.dataset,
            "size_bytes": event.size_bytes,
            "detail": recordable(event.detail, max_chars=MAX_DETAIL_CHARS),
            "previous_hash": last.hash,
        }
        record = AuditRecord(**values, hash=hash_record(**values))
        parameters = {f"new_{name}": value for name, value in values.items()} | {"new_hash": record.hash}
        try:
            for statement in _APPEND[connection.dialect.name]:
                connection.execute(statement, parameters)
        except IntegrityError as error:
            raise AuditChainError(
                f"the audit chain of replica {self._replica} ends with record {last.sequence}, but there is a record "
                f"{record.sequence}: somebody has changed the database. Run `csvpipe audit verify`"
            ) from error
        after_commit(connection, lambda: self._on_record(record))
        return record

    def record(self, events: Iterable[AuditEvent]) -> None:
        """Append records of what changed nothing else, in one transaction."""
        with writing(self._engine) as connection:
            for event in events:
                self.append(connection, event)

    def record_refusals(self, events: Iterable[AuditEvent], *, since: datetime) -> list[AuditEvent]:
        """Append refusals, and return those that were not recorded.

        Not recorded are those of whose actor and outcome a worker of this replica has made a record ``since`` then.
        """
        left = []
        with writing(self._engine) as connection:
            self._lock_head(connection)  # first, so that two workers do not both find no record
            for event in events:
                if connection.execute(_similar(event, replica=self._replica, since=since)).first() is None:
                    self.append(connection, event)
                else:
                    left.append(event)
        return left

    def list_page(self, query: AuditQuery) -> list[AuditRecord]:
        """Return a page of records of all replicas, the newest first."""
        columns = audit_records.c
        found = select(audit_records).order_by(columns.at.desc(), columns.replica.desc(), columns.sequence.desc())
        if query.after is not None:
            at, replica, sequence = query.after
            earlier = or_(columns.replica < replica, and_(columns.replica == replica, columns.sequence < sequence))
            found = found.where(or_(columns.at < at, and_(columns.at == at, earlier)))
        with reading(self._engine) as connection:
            return [_record_of(row) for row in connection.execute(_filtered(found, query).limit(query.limit))]

    def replicas(self) -> list[str]:
        """Return the replicas that have a head or records, sorted."""
        query = select(audit_heads.c.replica).union(select(audit_records.c.replica))
        with reading(self._engine) as connection:
            return sorted(connection.execute(query).scalars())

    def read_chain(self, replica: str, *, after: int | None, limit: int) -> tuple[list[AuditRecord], AuditHead | None]:
        """Return up to ``limit`` records of a chain in their order, and its head, from one snapshot.

        The records begin after the sequence number ``after``, or with the first one if it is None.
        """
        query = select(audit_records).where(audit_records.c.replica == replica).order_by(audit_records.c.sequence)
        if after is not None:
            query = query.where(audit_records.c.sequence > after)
        with reading(self._engine) as connection:
            records = [_record_of(row) for row in connection.execute(query.limit(limit))]
            head = connection.execute(select(audit_heads).where(audit_heads.c.replica == replica)).one_or_none()
        return records, None if head is None else AuditHead(**head._mapping)

    def _lock_head(self, connection: Connection) -> AuditHead:
        """Return the head of this replica's chain, which no other transaction can change until this one ends."""
        ours = {"new_replica": self._replica}
        row = connection.execute(_LOCK_HEAD, ours).one_or_none()
        if row is None:
            # Once in the life of a replica, so only then imported: the dialect that is not used takes memory.
            dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
            first = {"replica": self._replica, "sequence": 0, "hash": FIRST_PREVIOUS_HASH}
            connection.execute(dialect.insert(audit_heads).on_conflict_do_nothing(), first)
            row = connection.execute(_LOCK_HEAD, ours).one()
        return AuditHead(**row._mapping)


def _filtered(found: Select[Any], query: AuditQuery) -> Select[Any]:
    columns = audit_records.c
    if query.since is not None:
        found = found.where(columns.at >= query.since)
    if query.until is not None:
        found = found.where(columns.at < query.until)
    if query.actor is not None:
        found = found.where(or_(columns.actor == query.actor, columns.key_id == query.actor))
    for name in ("action", "outcome", "dataset", "upload_id", "replica"):
        wanted = getattr(query, name)
        if wanted is not None:
            found = found.where(columns[name] == str(wanted))
    return found


def _similar(event: AuditEvent, *, replica: str, since: datetime) -> Select[Any]:
    columns, principal = audit_records.c, event.actor.principal
    if principal.key_id is None:
        address = recordable(event.actor.address, max_chars=_MAX_NAME_CHARS)
        same_actor = and_(columns.key_id.is_(None), columns.address == address)
    else:
        same_actor = columns.key_id == principal.key_id
    same = and_(columns.action == event.action.value, columns.outcome == event.outcome, same_actor)
    return select(columns.sequence).where(columns.at > since, columns.replica == replica, same).limit(1)


def _record_of(row: Row[Any]) -> AuditRecord:
    return AuditRecord.model_construct(**row._mapping)
