"""How long a command keeps trying: a number of seconds without progress, with growing waits."""

from __future__ import annotations

import time
from collections.abc import Callable

from contracts.backoff import Backoff
from contracts.errors import CsvPipeError
from csvpipe.errors import SlowDownError

_BACKOFF = Backoff(0.25, 10.0)
_UNNAMED_WAIT_S = 10.0
"""Wait after a limit of the key that names no time."""


class Patience:
    """Waits between two attempts, until there was no progress for ``limit_s`` seconds."""

    def __init__(
        self,
        limit_s: float,
        *,
        say: Callable[[str], None],
        sleep: Callable[[float], None] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Have all of it.

        Args:
            limit_s: 0 to raise the first error.
            say: tells the user what is waited for.
            sleep: for tests.
            now: for tests.
        """
        self._limit_s = limit_s
        self._say = say
        self._sleep = sleep or time.sleep
        self._now = now
        self._stuck_since: float | None = None
        self._failures = 0
        self._waited_s = 0.0
        self._said: type[CsvPipeError] | None = None

    @property
    def is_stuck(self) -> bool:
        """Whether the last attempt failed."""
        return self._stuck_since is not None

    def note_progress(self) -> None:
        """Have all patience again."""
        self._stuck_since, self._failures, self._waited_s, self._said = None, 0, 0.0, None

    def wait(self, error: CsvPipeError) -> None:
        """Wait before the next attempt.

        Raises:
            CsvPipeError: ``error``, with what was tried, if that would take too long.
        """
        now = self._now()
        if self._stuck_since is None:
            self._stuck_since = now
        wait_s = self._next_wait_s(error)
        stuck_s = max(now - self._stuck_since, self._waited_s)
        if stuck_s + wait_s > self._limit_s:
            raise _given_up(error, stuck_s, self._limit_s) from error
        self._failures += 1
        self._waited_s += wait_s
        said = error.detail.partition(". ")[0]
        if isinstance(error, SlowDownError):
            self._say(f"{said}; waiting {wait_s:.0f} s")
        elif type(error) is not self._said:
            self._say(f"{said}; trying again for up to {self._limit_s:.0f} s")
        self._said = type(error)
        self._sleep(wait_s)

    def _next_wait_s(self, error: CsvPipeError) -> float:
        if isinstance(error, SlowDownError):
            return _UNNAMED_WAIT_S if error.wait_s is None else max(error.wait_s, 1.0)
        return _BACKOFF.wait_s(self._failures + 1)


def _given_up(error: CsvPipeError, stuck_s: float, limit_s: float) -> CsvPipeError:
    tried = f" after {stuck_s:.0f} s without progress" if stuck_s >= 1 else ""
    end = "" if error.detail.endswith((".", "?")) else "."
    text = f"{error.detail}{end} Given up{tried}, as --retry-for allows {limit_s:.0f} s"
    if isinstance(error, SlowDownError):
        return SlowDownError(text, wait_s=error.wait_s, **error.extra)
    return type(error)(text, **error.extra)
