"""Call a blocking function with a timeout; concurrent callers share one call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from uploader.errors import ManifestUnavailableError

_T = TypeVar("_T")


class SingleFlightCall(Generic[_T]):
    """Calls ``function`` in its own thread, and waits at most ``timeout_s`` for the result.

    If a call is still running, the next caller waits for the same call: one thread hangs, not many. The thread is a
    daemon, so a database that never answers does not keep the process from exiting.
    """

    def __init__(self, function: Callable[[], _T], *, timeout_s: float) -> None:
        self._function = function
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._running: Future[_T] | None = None

    def __call__(self) -> _T:
        """Return what ``function`` returns, or raise what it raises (blocks).

        Raises:
            ManifestUnavailableError: the call timed out.
        """
        result = self._start()
        wait([result], timeout=self._timeout_s)
        if not result.done():
            raise ManifestUnavailableError(f"the manifest database did not answer within {self._timeout_s:g} seconds")
        return result.result()

    def _start(self) -> Future[_T]:
        with self._lock:
            if self._running is None or self._running.done():
                self._running = Future()
                threading.Thread(target=self._run, args=(self._running,), name="single-flight", daemon=True).start()
            return self._running

    def _run(self, result: Future[_T]) -> None:
        try:
            result.set_result(self._function())
        except BaseException as error:  # noqa: BLE001  it is raised to the callers that wait
            result.set_exception(error)
