"""The wish that a job stops: by a signal, or by the notice that its machine goes."""

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
_LOOK_S = 1.0
_EXIT_CODE = 75


class StopRequestedError(Exception):
    """The job is to end while it waits for something before its first record; whoever runs it takes it for an end."""


class StopRequest:
    """Set once, by whoever comes first; a job looks at it between two batches.

    Args:
        within_s: how long draining may take from then on. Spot gives two minutes from its notice on; the last
            checkpoint needs some of them.
    """

    def __init__(self, *, within_s: float = 90.0) -> None:
        self._within_s = within_s
        self._wanted = threading.Event()
        self._deadline = float("inf")
        self.reason = ""
        self.grace_s = 0.0
        """Seconds beyond ``within_s`` that the end may take, for the last checkpoint of a job that has sent records."""

    def request(self, reason: str) -> None:
        """Ask the job to drain, save its checkpoint and end."""
        if not self._wanted.is_set():
            self.reason = reason
            self._deadline = time.monotonic() + self._within_s
            self._wanted.set()

    @property
    def requested(self) -> bool:
        """Whether the job is to end."""
        return self._wanted.is_set()

    def check(self) -> None:
        """Go on only if nobody wants the job to end.

        Raises:
            StopRequestedError: somebody does.
        """
        if self.requested:
            raise StopRequestedError(self.reason)

    def is_late(self) -> bool:
        """Whether what has not been drained by now has to be given up."""
        return time.monotonic() > self._deadline

    @property
    def remaining_s(self) -> float:
        """Seconds until the process has to be gone."""
        return self._deadline + self.grace_s - time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Wait for the wish, or for ``seconds``; return whether it is there."""
        return self._wanted.wait(seconds)


@contextmanager
def stopping_on_signals(stop: StopRequest) -> Iterator[None]:
    """Take TERM and INT for the wish to stop as long as the context lasts. Only for the main thread."""

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
    """End the process with 75 where the block is not left in time after a stop request.

    Whatever does not answer is not waited for: nothing is lost by that, as the next start finds out from the log where
    to resume.

    Args:
        stop: the request.
        end: ends the process at once.
    """
    left = threading.Event()

    def watch() -> None:
        while not stop.wait(_LOOK_S):
            if left.is_set():
                return
        while (remaining_s := stop.remaining_s) > 0:
            if left.wait(min(remaining_s, _LOOK_S)):
                return
        _log.error(
            "the job did not end within STOP_WITHIN_S (%s), as something does not answer: ending it", stop.reason
        )
        end(_EXIT_CODE)

    thread = threading.Thread(target=watch, name="end", daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
