"""Asking a database for no longer than whoever asks can wait: a peer that falls silent holds a thread for minutes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from uploader.errors import ManifestUnavailableError

_T = TypeVar("_T")


class SingleFlightCall(Generic[_T]):
    """Calls ``ask`` in a thread of its own, and waits so long.

    Where a call still runs, the next one waits for the same: one hangs, not many. The thread is a daemon: a database
    that never answers does not keep the process from ending.
    """

    def __init__(self, ask: Callable[[], _T], *, within_s: float) -> None:
        self._ask = ask
        self._within_s = within_s
        self._lock = threading.Lock()
        self._running: Future[_T] | None = None

    def __call__(self) -> _T:
        """Return what ``ask`` returns, or raise what it raises (blocks).

        Raises:
            ManifestUnavailableError: there is no answer in time.
        """
        answer = self._begin()
        wait([answer], timeout=self._within_s)
        if not answer.done():
            raise ManifestUnavailableError(f"the database of manifests has not answered within {self._within_s:g} s")
        return answer.result()

    def _begin(self) -> Future[_T]:
        with self._lock:
            if self._running is None or self._running.done():
                self._running = Future()
                threading.Thread(target=self._run, args=(self._running,), name="bounded", daemon=True).start()
            return self._running

    def _run(self, answer: Future[_T]) -> None:
        try:
            answer.set_result(self._ask())
        except BaseException as error:  # noqa: BLE001  it is raised where the answer is waited for
            answer.set_exception(error)
