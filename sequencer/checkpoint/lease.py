"""The right to run a job: held by one process at a time, renewed while it runs, free some time after it is gone."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from contracts.errors import CsvPipeError, TemporaryFailureError
from sequencer.checkpoint.store import CheckpointStore
from sequencer.errors import LeaseLostError

_log = logging.getLogger(__name__)
_PARTS = 4
_AWAY_S = 1.0


def owner_name() -> str:
    """Return what names this process: ``host/boot/pid namespace/pid/start``, the last in clock ticks since the boot."""
    return "/".join([*_machine(), str(os.getpid()), str(_start_of(os.getpid()))])


def is_dead(owner: str) -> bool:
    """Return whether ``owner`` was a process of this machine, since its last boot, and is gone; else who can tell?"""
    *machine, pid, start = owner.split("/") if owner.count("/") == 4 else ("", "", "")
    if machine != _machine() or not pid.isdigit():
        return False
    return _start_of(int(pid)) != start


class Lease:
    """The lease of one job, from entering the context to leaving it.

    New records may be queued until ``expiry_s`` before it runs out: by its end they are delivered or have expired.
    While the store is away the lease cannot be renewed, and nobody else can take it either, but that is not for us to
    rely on: :meth:`is_safe` is false until the store has confirmed that the lease is still ours.

    Args:
        store: where it lies.
        job_id: whose it is.
        owner: who wants it (:func:`owner_name`).
        lease_s: how long it lasts without being renewed.
        expiry_s: how long a record that was queued may still be sent.
    """

    def __init__(self, store: CheckpointStore, *, job_id: str, owner: str, lease_s: float, expiry_s: float) -> None:
        self._store = store
        self._job_id = job_id
        self._owner = owner
        self._lease_s = lease_s
        self._expiry_s = expiry_s
        self._lost: LeaseLostError | None = None
        self._refused: CsvPipeError | None = None
        self._until = (0.0, 0.0)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Self:
        """Take the lease.

        Raises:
            LeaseHeldError: another process holds it.
            CheckpointsUnavailableError: the store does not answer.
        """
        moments = self._moments()
        self._store.acquire_lease(
            self._job_id, owner=self._owner, now=time.time(), lease_s=self._lease_s, is_dead=is_dead
        )
        self._until = moments
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()
        if self._lost is None:
            try:
                self._store.release_lease(self._job_id, owner=self._owner)
            except CsvPipeError as failure:
                _log.warning("the lease could not be given up, and runs out by itself: %s", failure)

    def check(self) -> None:
        """Go on only if nobody has taken the lease.

        Raises:
            LeaseLostError: somebody has.
            CsvPipeError: the store refuses to renew it, for longer than it is safe.
        """
        if self._lost is not None:
            raise self._lost
        if self._refused is not None and not self.is_safe():
            raise self._refused

    def is_safe(self) -> bool:
        """Return whether a record that is queued now is delivered, or has expired, before the lease runs out."""
        wall, monotonic = self._until
        margin = self._expiry_s
        return self._lost is None and time.time() + margin < wall and time.monotonic() + margin < monotonic

    def _keep(self) -> None:
        """Renew the lease, a few times in the time in which it is safe; while that fails, more often."""
        regular_s = (self._lease_s - self._expiry_s) / _PARTS
        wait_s, away = regular_s, False
        while not self._closed.wait(wait_s):
            moments = self._moments()
            try:
                self._store.renew_lease(self._job_id, owner=self._owner, until=moments[0])
            except LeaseLostError as error:
                self._lost = error
                return
            except Exception as error:  # noqa: BLE001  without this thread the job would wait for ever
                if not away:
                    _log.warning("the lease cannot be renewed for the moment: %s", error)
                away, wait_s = True, min(_AWAY_S, regular_s)
                self._refused = _final(error)
                continue
            if away:
                _log.info("the lease is renewed again")
            away, wait_s, self._refused = False, regular_s, None
            self._until = moments

    def _moments(self) -> tuple[float, float]:
        """Return when a lease that is taken now runs out, by both clocks: neither may be trusted alone."""
        return time.time() + self._lease_s, time.monotonic() + self._lease_s


def _final(error: Exception) -> CsvPipeError | None:
    """Return what the store says again the next time; a store that is away is waited for."""
    if isinstance(error, TemporaryFailureError):
        return None
    return (
        error if isinstance(error, CsvPipeError) else TemporaryFailureError(f"the lease cannot be renewed: {error!r}")
    )


def _machine() -> list[str]:
    """Return where a process id means the same process: containers of one host may share its name and boot."""
    return [socket.gethostname(), _boot_id(), str(Path("/proc/self/ns/pid").stat().st_ino)]


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _start_of(pid: int) -> str | None:
    """Return when a process started, in clock ticks since the boot; None: there is none, or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]
