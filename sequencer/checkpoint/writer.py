"""Saves checkpoints in a thread of its own, so that sending never waits for the store; only the newest matters."""

from __future__ import annotations

import logging
import threading
import time

from contracts.backoff import Backoff
from contracts.errors import CsvPipeError
from sequencer.checkpoint.store import CheckpointStore
from sequencer.errors import LeaseLostError
from sequencer.model.checkpoint import Checkpoint

_log = logging.getLogger(__name__)
_BACKOFF = Backoff(0.5, 10.0)


class CheckpointWriter:
    """A thread that saves the newest checkpoint offered.

    Args:
        store: the store to save to.
        owner: the holder of the lease.
        interval: number of records after which a checkpoint is due immediately.
        interval_s: time after which a checkpoint is due in any case.
        backoff: pauses after the store was unavailable.
    """

    def __init__(
        self,
        store: CheckpointStore,
        *,
        owner: str,
        interval: int,
        interval_s: float,
        backoff: Backoff = _BACKOFF,
    ) -> None:
        self._store = store
        self._owner = owner
        self._interval = interval
        self._interval_s = interval_s
        self._backoff = backoff
        self._newest: Checkpoint | None = None
        self._saved_records = 0
        self._failures = 0
        self._lost = False
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self.saved_at = 0.0
        """When a checkpoint was last saved (Unix time), or 0."""

    def start(self) -> None:
        """Start to save offered checkpoints."""
        self._thread.start()

    def offer(self, checkpoint: Checkpoint) -> None:
        """Save ``checkpoint`` when one is due, unless a newer one is offered before. Never waits for the store."""
        with self._changed:
            self._newest = checkpoint
            if checkpoint.total_sent - self._saved_records >= self._interval:
                self._changed.notify()

    def close(self, final: Checkpoint, *, deadline_s: float) -> bool:
        """Save the last checkpoint, retrying for ``deadline_s``; return whether it was saved.

        If it was not, nothing is lost: the next run recovers its position from the partition.
        """
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()
        deadline, failures = time.monotonic() + deadline_s, 0
        while not self._save(final):
            failures += 1
            wait_s = self._backoff.wait_s(failures)
            if self._lost or time.monotonic() + wait_s > deadline:
                _log.warning(
                    "Last checkpoint was not saved; the next run recovers its position from the partition",
                    extra={"job_id": final.job_id},
                )
                return False
            threading.Event().wait(wait_s)
        return True

    def _run(self) -> None:
        while True:
            wait_s = self._backoff.wait_s(self._failures) if self._failures else self._interval_s
            with self._changed:
                self._changed.wait_for(self._is_due, timeout=wait_s)
                if self._closed:
                    return
                checkpoint, self._newest = self._newest, None
            if checkpoint is not None and not self._save(checkpoint):
                with self._changed:
                    self._newest = self._newest or checkpoint

    def _is_due(self) -> bool:
        if self._closed:
            return True
        newest = self._newest
        return not self._failures and newest is not None and newest.total_sent - self._saved_records >= self._interval

    def _save(self, checkpoint: Checkpoint) -> bool:
        try:
            self._store.save(checkpoint, owner=self._owner)
        except CsvPipeError as error:
            self._lost = self._lost or isinstance(error, LeaseLostError)
            if not self._failures:
                _log.warning("Cannot save the checkpoint", extra={"job_id": checkpoint.job_id, "error": str(error)})
            self._failures += 1
            return False
        if self._failures:
            _log.info("Checkpoints are saved again", extra={"job_id": checkpoint.job_id})
        self._failures = 0
        self._saved_records = checkpoint.total_sent
        self.saved_at = time.time()
        return True
