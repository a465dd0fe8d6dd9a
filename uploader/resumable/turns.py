"""Waiting for the turn at a resumable upload (see :mod:`uploader.disk.upload_turn`)."""

from __future__ import annotations

import asyncio
import time

from uploader.disk.upload_turn import UploadTurn
from uploader.resumable.errors import UploadSupersededError

RETRY_AFTER_S = 2
_WAIT_S = 60.0
"""How long a request waits for an older one: until that has made its bytes durable, or has finished the upload."""
_POLL_S = 0.02


async def take_turn(turn: UploadTurn) -> None:
    """Claim the upload, and wait until the request that has it gives it up.

    Raises:
        UploadSupersededError: a newer request has claimed it meanwhile, or the older one does not end.
    """
    turn.claim()
    deadline = time.monotonic() + _WAIT_S
    while not turn.try_lock():
        if turn.is_superseded:
            raise UploadSupersededError("a newer request for this upload has come", retry_after_s=RETRY_AFTER_S)
        if time.monotonic() > deadline:
            raise UploadSupersededError(
                f"another request is still finishing this upload; retry after {RETRY_AFTER_S} seconds",
                retry_after_s=RETRY_AFTER_S,
            )
        await asyncio.sleep(_POLL_S)
