"""Reconciliation: chunks that were announced and have not landed in time are announced again, up to a limit.

So are chunks that the relay reported as failed: it gives up after minutes, and the cause may be gone by then.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from contracts.number_text import counted
from contracts.states import ChunkState
from uploader.domain.records import ChunkRecord
from uploader.domain.replica_identity import ReplicaIdentity
from uploader.domain.transitions import WHAT_TO_DO, failed, is_overdue, renewed
from uploader.errors import UploadGoneError
from uploader.runtime.clock import Clock
from uploader.runtime.logging import UploadLog
from uploader.store.store import Store

LEASE_FOR = timedelta(seconds=60)
_CHUNKS_AT_ONCE = 1_000
_log = logging.getLogger(__name__)


class Reconciler:
    """Finds the overdue chunks of one replica. Calls block."""

    def __init__(self, *, store: Store, replica: ReplicaIdentity, after: timedelta, limit: int, clock: Clock) -> None:
        self._store = store
        self._replica = replica
        self._lease = f"reconcile/{replica.name}"
        self._after = after
        self._limit = limit
        self._clock = clock

    def run_pass(self) -> bool:
        """Return all overdue chunks to the outbox, or fail them, unless another worker has the lease."""
        now = self._clock()
        if not self._store.leases.take(self._lease, owner=self._replica.worker, lease_for=LEASE_FOR, now=now):
            return True
        reset = self._store.backlog.reset_future_timestamps(replica=self._replica.name, now=now)
        if reset:
            _log.warning("Clock was set back; future timestamps of chunks reset to now", extra={"timestamps": reset})
        before = now - self._after
        while overdue := self._store.backlog.overdue(
            replica=self._replica.name, before=before, reannounce_limit=self._limit, limit=_CHUNKS_AT_ONCE
        ):
            for upload_id, chunk_ids in overdue.items():
                self._renew_or_fail(upload_id, chunk_ids, before=before)
        return True

    def stop(self) -> None:
        """Release the lease, so that another worker can take over immediately."""
        self._store.leases.release(self._lease, owner=self._replica.worker)

    def _renew_or_fail(self, upload_id: str, chunk_ids: list[int], *, before: datetime) -> None:
        log = UploadLog(_log, upload_id)

        def edit(chunk: ChunkRecord) -> ChunkRecord:
            if not is_overdue(chunk, before=before, reannounce_limit=self._limit):
                return chunk  # it has landed since the query
            if chunk.attempts > self._limit:
                return failed(chunk, reason=self._give_up_reason(chunk))
            return renewed(chunk, by_hand=False)

        try:
            _, chunks = self._store.chunks.edit(upload_id, chunk_ids, edit, at=self._clock())
        except UploadGoneError:
            return
        for chunk in chunks:
            if chunk.state is ChunkState.FAILED:
                log.chunk(logging.ERROR, "Chunk failed", chunk, error=chunk.error, attempt=chunk.attempts)
            elif chunk.state is ChunkState.STORED:
                log.chunk(logging.WARNING, "Chunk overdue; announcing it again", chunk, attempt=chunk.attempts)

    def _give_up_reason(self, chunk: ChunkRecord) -> str:
        minutes, times = f"{self._after.total_seconds() / 60:g}", counted(chunk.attempts, "time")
        unit = "minute" if minutes == "1" else "minutes"
        return f"announced {times} and not landed within {minutes} {unit} of the last; {WHAT_TO_DO}"
