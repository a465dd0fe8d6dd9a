"""Stop requests: by a signal, or by a notice that the machine will be reclaimed."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_log = logging.getLogger(__name__)
_POLL_S = 1.0
_EXIT_CODE = 75


class StopRequestedError(Exception):
    """A stop was requested while the job waited before its first record; its caller treats that as a regular end."""


class StopRequest:
    """A request to stop, set once; a job checks it between two batches.

    Args:
        within_s: how long draining may take after the request. Spot instances have two minutes after the notice; the
            last checkpoint needs a part of them.
    """

    def __init__(self, *, within_s: float = 90.0) -> None:
        self._within_s = within_s
        self._wanted = threading.Event()
        self._deadline = float("inf")
        self.reason = ""
        self.grace_s = 0.0
        """Additional seconds for the last checkpoint of a job that has sent records."""

    def request(self, reason: str) -> None:
        """Request that the job drains, saves its checkpoint and ends."""
        if not self._wanted.is_set():
            self.reason = reason
            self._deadline = time.monotonic() + self._within_s
            self._wanted.set()

    @property
    def requested(self) -> bool:
        """Whether a stop was requested."""
        return self._wanted.is_set()

    def check(self) -> None:
        """Check that no stop was requested.

        Raises:
            StopRequestedError: a stop was requested.
        """
        if self.requested:
            raise StopRequestedError(self.reason)

    def is_late(self) -> bool:
        """Return whether the time for draining is over."""
        return time.monotonic() > self._deadline

    @property
    def remaining_s(self) -> float:
        """Seconds until the process must have ended."""
        return self._deadline + self.grace_s - time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for a stop request; return whether there is one."""
        return self._wanted.wait(seconds)


@contextmanager
def stopping_on_signals(stop: StopRequest) -> Iterator[None]:
    """Turn TERM and INT into a stop request as long as the context lasts. Main thread only."""

    def note(number: int, _frame: FrameType | None) -> None:
        stop.request(signal.Signals(number).name)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def exiting_in_time(stop: StopRequest, *, end: Callable[[int], object] = os._exit) -> Iterator[None]:
    """End the process with 75 if the context is not left in time after a stop request.

    Services that do not answer are not waited for. Nothing is lost by that, as the next run recovers its position from
    the partition.

    Args:
        stop: the stop request.
        end: ends the process immediately.
    """
    left = threading.Event()

    def watch() -> None:
        while not stop.wait(_POLL_S):
            if left.is_set():
                return
        while (remaining_s := stop.remaining_s) > 0:
            if left.wait(min(remaining_s, _POLL_S)):
                return
        _log.error(
            "Job did not end within STOP_WITHIN_S, as a service does not answer; ending the process",
            extra={"reason": stop.reason},
        )
        end(_EXIT_CODE)

    thread = threading.Thread(target=watch, name="end", daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
