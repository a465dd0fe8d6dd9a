"""A limit of what a process does at the same time, for work that takes threads, buffers or connections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from contracts.errors import CsvPipeError
from uploader.errors import TooManyPreviewsError, TooManyStreamsError, TooManyUploadsError

RETRY_AFTER_S = 10
_PREVIEW_RETRY_S = 2
_STREAM_RETRY_S = 30


def too_many_uploads(limit: int, *, of_key: bool = False) -> CsvPipeError:
    """Return the refusal of an upload above ``limit``."""
    return TooManyUploadsError(
        f"{limit} uploads{_whose(of_key)} are running (MAX_CONCURRENT_UPLOADS); retry after {RETRY_AFTER_S} seconds",
        retry_after_s=RETRY_AFTER_S,
    )


def too_many_previews(limit: int, *, of_key: bool = False) -> CsvPipeError:
    """Return the refusal of a preview above ``limit``."""
    return TooManyPreviewsError(
        f"{limit} previews{_whose(of_key)} are running; retry after {_PREVIEW_RETRY_S} seconds",
        retry_after_s=_PREVIEW_RETRY_S,
    )


def too_many_streams(limit: int, *, of_key: bool = False) -> CsvPipeError:
    """Return the refusal of a stream of events above ``limit``."""
    return TooManyStreamsError(
        f"{limit} streams of events{_whose(of_key)} are open (MAX_EVENT_STREAMS); close one, or retry after "
        f"{_STREAM_RETRY_S} seconds",
        retry_after_s=_STREAM_RETRY_S,
    )


class Refusal(Protocol):
    """Returns the error for one more than ``limit``, which is that of all or of one key."""

    def __call__(self, limit: int, *, of_key: bool = False) -> CsvPipeError:
        """Return the error."""
        ...


class ConcurrencyLimit:
    """Refuses what is above the limit instead of queueing it (event loop only).

    Args:
        limit: how many slots there are.
        refusal: returns the error for one more.
        limit_of_key: how many of them one key may hold, so that it cannot keep others out; None for all.
    """

    def __init__(self, *, limit: int, refusal: Refusal = too_many_uploads, limit_of_key: int | None = None) -> None:
        self._limit = limit
        self._refusal = refusal
        self._limit_of_key = limit_of_key
        self._taken = 0
        self._taken_by_key: Counter[str] = Counter()

    def check_free(self, key_id: str | None = None) -> None:
        """Check that a slot is free now, for the key ``key_id`` if the caller has one.

        Raises:
            CsvPipeError: all slots are taken.
        """
        if self._taken >= self._limit:
            raise self._refusal(self._limit)
        if key_id is not None and self._limit_of_key is not None and self._taken_by_key[key_id] >= self._limit_of_key:
            raise self._refusal(self._limit_of_key, of_key=True)

    @contextmanager
    def slot(self, key_id: str | None = None) -> Iterator[None]:
        """Hold one slot, for the key ``key_id`` if the caller has one.

        Raises:
            CsvPipeError: all slots are taken.
        """
        self.check_free(key_id)
        self._taken += 1
        if key_id is not None:
            self._taken_by_key[key_id] += 1
        try:
            yield
        finally:
            self._taken -= 1
            if key_id is not None:
                self._taken_by_key[key_id] -= 1
                self._taken_by_key += Counter()  # forgets keys that hold none


def half_of(limit: int) -> int:
    """Return the half of ``limit``, at least 1 of 1."""
    return (limit + 1) // 2


def _whose(of_key: bool) -> str:
    return " of the key" if of_key else ""
