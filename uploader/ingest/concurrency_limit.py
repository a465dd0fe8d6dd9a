"""A limit of concurrent uploads per process: each takes threads, buffers and disk bandwidth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from uploader.errors import TooManyUploadsError

RETRY_AFTER_S = 10


class ConcurrencyLimit:
    """Refuses uploads above the limit instead of queueing them (event loop only)."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._taken = 0

    def check_free(self) -> None:
        """Check that a slot is free now.

        Raises:
            TooManyUploadsError: all slots are taken.
        """
        if self._taken >= self._limit:
            raise TooManyUploadsError(
                f"{self._limit} uploads are running (MAX_CONCURRENT_UPLOADS); retry after {RETRY_AFTER_S} seconds",
                retry_after_s=RETRY_AFTER_S,
            )

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one slot.

        Raises:
            TooManyUploadsError: all slots are taken.
        """
        self.check_free()
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
