"""A limit of what a process does at the same time, for work that takes threads, buffers or connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from contracts.errors import CsvPipeError
from uploader.errors import TooManyPreviewsError, TooManyStreamsError, TooManyUploadsError

RETRY_AFTER_S = 10
_PREVIEW_RETRY_S = 2
_STREAM_RETRY_S = 30


def too_many_uploads(limit: int) -> CsvPipeError:
    """Return the refusal of an upload above ``limit``."""
    return TooManyUploadsError(
        f"{limit} uploads are running (MAX_CONCURRENT_UPLOADS); retry after {RETRY_AFTER_S} seconds",
        retry_after_s=RETRY_AFTER_S,
    )


def too_many_previews(limit: int) -> CsvPipeError:
    """Return the refusal of a preview above ``limit``."""
    return TooManyPreviewsError(
        f"{limit} previews are running; retry after {_PREVIEW_RETRY_S} seconds", retry_after_s=_PREVIEW_RETRY_S
    )


def too_many_streams(limit: int) -> CsvPipeError:
    """Return the refusal of a stream of events above ``limit``."""
    return TooManyStreamsError(
        f"{limit} streams of events are open (MAX_EVENT_STREAMS); close one, or retry after {_STREAM_RETRY_S} seconds",
        retry_after_s=_STREAM_RETRY_S,
    )


class ConcurrencyLimit:
    """Refuses what is above the limit instead of queueing it (event loop only).

    Args:
        limit: how many slots there are.
        refusal: returns the error for one more.
    """

    def __init__(self, *, limit: int, refusal: Callable[[int], CsvPipeError] = too_many_uploads) -> None:
        self._limit = limit
        self._refusal = refusal
        self._taken = 0

    def check_free(self) -> None:
        """Check that a slot is free now.

        Raises:
            CsvPipeError: all slots are taken.
        """
        if self._taken >= self._limit:
            raise self._refusal(self._limit)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one slot.

        Raises:
            CsvPipeError: all slots are taken.
        """
        self.check_free()
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
