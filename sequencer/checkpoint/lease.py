"""The lease of a job: held by one process at a time, and renewed while that process runs the job."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from contracts.errors import CsvPipeError, TemporaryFailureError
from sequencer.checkpoint.clock import Clock
from sequencer.checkpoint.store import CheckpointStore
from sequencer.errors import LeaseLostError

_log = logging.getLogger(__name__)
_RENEWALS = 4
_RETRY_S = 1.0


def owner_name() -> str:
    """Return the name of this process: ``host/boot/pid namespace/pid/start``, the start in ticks since the boot."""
    return "/".join([*_machine(), str(os.getpid()), str(_start_of(os.getpid()))])


def is_dead(owner: str) -> bool:
    """Return whether ``owner`` is a process of this machine, since its last boot, that has ended; False if unknown."""
    *machine, pid, start = owner.split("/") if owner.count("/") == 4 else ("", "", "")
    if machine != _machine() or not pid.isdigit():
        return False
    return _start_of(int(pid)) != start


class Lease:
    """The lease of one job, held as long as the context lasts.

    Records may be queued until ``expiry_s`` before it expires: by then they are delivered or have expired as well.
    While the store is unavailable the lease cannot be renewed. Another process cannot acquire it then either, but that
    is not relied on: :meth:`is_safe` is false until the store has confirmed the lease again.

    Args:
        store: the store that keeps the lease.
        job_id: the job.
        owner: name of this process (:func:`owner_name`).
        lease_s: how long the lease lasts without being renewed.
        expiry_s: how long a queued record may still be sent.
        clock: the clocks of this machine.
        closed: set when the context is left; waited for between two renewals.
        is_dead: returns whether the process of this name has ended.
    """

    def __init__(
        self,
        store: CheckpointStore,
        *,
        job_id: str,
        owner: str,
        lease_s: float,
        expiry_s: float,
        clock: Clock = Clock(),  # noqa: B008  immutable
        closed: threading.Event | None = None,
        is_dead: Callable[[str], bool] = is_dead,
    ) -> None:
        self._store = store
        self._job_id = job_id
        self._owner = owner
        self._lease_s = lease_s
        self._expiry_s = expiry_s
        self._lost: LeaseLostError | None = None
        self._refused: CsvPipeError | None = None
        self._until = (0.0, 0.0)
        self._clock = clock
        self._is_dead = is_dead
        self._closed = closed or threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Self:
        """Acquire the lease.

        Raises:
            LeaseHeldError: another process holds it.
            CheckpointsUnavailableError: the store does not answer.
        """
        until = self._end_if_renewed_now()
        self._store.acquire_lease(
            self._job_id, owner=self._owner, now=self._clock.wall(), lease_s=self._lease_s, is_dead=self._is_dead
        )
        self._until = until
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
                _log.warning(
                    "Cannot release the lease; it will expire", extra={"job_id": self._job_id, "error": str(failure)}
                )

    def check(self) -> None:
        """Check that the lease is not lost.

        Raises:
            LeaseLostError: another process has acquired it.
            CsvPipeError: the store refuses to renew it, and it is no longer safe.
        """
        if self._lost is not None:
            raise self._lost
        if self._refused is not None and not self.is_safe():
            raise self._refused

    def is_safe(self) -> bool:
        """Return whether a record that is queued now is delivered, or has expired, before the lease expires."""
        return self._lost is None and all(
            now + self._expiry_s < until for now, until in zip(self._clock.both(), self._until, strict=True)
        )

    def _keep(self) -> None:
        """Renew the lease several times while it is safe, and more often while that fails."""
        regular_s = (self._lease_s - self._expiry_s) / _RENEWALS
        wait_s, failing = regular_s, False
        while not self._closed.wait(wait_s):
            until = self._end_if_renewed_now()
            try:
                self._store.renew_lease(self._job_id, owner=self._owner, until=until[0])
            except LeaseLostError as error:
                self._lost = error
                return
            except Exception as error:  # noqa: BLE001  without this thread the job would wait forever
                if not failing:
                    _log.warning("Cannot renew the lease", extra={"job_id": self._job_id, "error": str(error)})
                failing, wait_s = True, min(_RETRY_S, regular_s)
                self._refused = _final(error)
                continue
            if failing:
                _log.info("Lease is renewed again", extra={"job_id": self._job_id})
            failing, wait_s, self._refused = False, regular_s, None
            self._until = until

    def _end_if_renewed_now(self) -> tuple[float, float]:
        """Return when a lease that is acquired or renewed now expires, by both clocks."""
        wall, monotonic = self._clock.both()
        return wall + self._lease_s, monotonic + self._lease_s


def _final(error: Exception) -> CsvPipeError | None:
    """Return the error if a retry cannot resolve it, or None if the store is unavailable."""
    if isinstance(error, TemporaryFailureError):
        return None
    return error if isinstance(error, CsvPipeError) else TemporaryFailureError(f"cannot renew the lease: {error!r}")


def _machine() -> list[str]:
    """Return what identifies a set of process ids: containers of one host may share its name and boot."""
    return [socket.gethostname(), _boot_id(), str(Path("/proc/self/ns/pid").stat().st_ino)]


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _start_of(pid: int) -> str | None:
    """Return when a process started, in clock ticks since the boot, or None if it does not exist or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]
