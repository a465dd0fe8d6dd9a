"""An executor without threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any


class FakeImmediateExecutor(Executor):
    """Runs what is submitted before ``submit`` returns."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``work``, and return its result or failure."""
        future: Future[Any] = Future()
        try:
            future.set_result(work(*args, **kwargs))
        except Exception as failure:  # noqa: BLE001  as a thread would
            future.set_exception(failure)
        return future
