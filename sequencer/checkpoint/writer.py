"""Saves checkpoints beside the sending, which never waits for it: only the newest counts."""

from __future__ import annotations

import logging
import threading
import time

from contracts.errors import CsvPipeError
from sequencer.checkpoint.store import CheckpointStore
from sequencer.errors import LeaseLostError
from sequencer.model.checkpoint import Checkpoint

_log = logging.getLogger(__name__)
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 10.0


class CheckpointWriter:
    """A thread that saves the newest checkpoint offered.

    Args:
        store: where to.
        owner: who holds the lease.
        interval: how many records after the last one that was saved a checkpoint is due at once.
        interval_s: how long after it one is due in any case.
    """

    def __init__(self, store: CheckpointStore, *, owner: str, interval: int, interval_s: float) -> None:
        self._store = store
        self._owner = owner
        self._interval = interval
        self._interval_s = interval_s
        self._newest: Checkpoint | None = None
        self._saved_records = 0
        self._away = False
        self._lost = False
        self._closed = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self.saved_at = 0.0
        """``time.time()`` of the last checkpoint that was saved."""

    def start(self) -> None:
        """Begin to save what is offered."""
        self._thread.start()

    def offer(self, checkpoint: Checkpoint) -> None:
        """Let ``checkpoint`` be saved when one is due, unless a newer one comes first. Never waits for the store."""
        with self._news:
            self._newest = checkpoint
            if checkpoint.total_sent - self._saved_records >= self._interval:
                self._news.notify()

    def close(self, final: Checkpoint, *, deadline_s: float) -> bool:
        """Save the last checkpoint, trying for ``deadline_s``; return whether that went well.

        Where it did not, nothing is lost: the log tells the next start where to go on.
        """
        with self._news:
            self._closed = True
            self._news.notify()
        if self._thread.ident is not None:
            self._thread.join()
        deadline, wait_s = time.monotonic() + deadline_s, _FIRST_WAIT_S
        while True:
            if self._save(final):
                return True
            if self._lost or time.monotonic() + wait_s > deadline:
                _log.warning("the last checkpoint was not saved; the next start finds out from the log where to go on")
                return False
            threading.Event().wait(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    def _run(self) -> None:
        wait_s = self._interval_s
        while True:
            with self._news:
                self._news.wait_for(self._is_due, timeout=wait_s)
                if self._closed:
                    return
                checkpoint, self._newest = self._newest, None
            if checkpoint is None or self._save(checkpoint):
                wait_s = self._interval_s
            else:
                wait_s = min(2 * max(wait_s, _FIRST_WAIT_S), _LONGEST_WAIT_S)
                with self._news:
                    self._newest = self._newest or checkpoint

    def _is_due(self) -> bool:
        if self._closed:
            return True
        newest = self._newest
        return not self._away and newest is not None and newest.total_sent - self._saved_records >= self._interval

    def _save(self, checkpoint: Checkpoint) -> bool:
        try:
            self._store.save(checkpoint, owner=self._owner)
        except CsvPipeError as error:
            self._lost = self._lost or isinstance(error, LeaseLostError)
            if not self._away:
                _log.warning("the checkpoint cannot be saved for the moment: %s", error)
            self._away = True
            return False
        if self._away:
            _log.info("checkpoints are saved again")
        self._away = False
        self._saved_records = checkpoint.total_sent
        self.saved_at = time.time()
        return True
