"""The hashes that this process computes of resumable uploads while their bytes arrive."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import Executor, ThreadPoolExecutor

from uploader.disk.part_file import PartFile
from uploader.resumable.part_digests import PartDigests

_THREADS = 2
"""For all uploads: those that are not hashed in time are hashed at their end."""
_MOST_UPLOADS = 1000
"""Hashes of an upload take a few kilobytes."""


class BackgroundDigests:
    """The hashes of the uploads that were used last. All calls are made by the event loop."""

    def __init__(self, *, threads: Executor | None = None) -> None:
        """Begin without an upload; ``threads`` are those that hash, two by default."""
        self._threads = threads or ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="digest")
        self._digests: OrderedDict[str, PartDigests] = OrderedDict()

    def find(self, upload_id: str, part: PartFile) -> PartDigests | None:
        """Return the hashes of an upload whose turn the caller has, or None if there are none.

        Only an upload whose first byte has come to this process is hashed, so that several workers do not all hash it.
        Bytes in between may have come to another one.
        """
        found = self._digests.get(upload_id)
        if found is not None and (found.is_lost or found.position > part.state.offset):
            self.drop(upload_id)
            found = None
        if found is None and not part.state.offset:
            found = self._digests[upload_id] = PartDigests(part.path, threads=self._threads)
            if len(self._digests) > _MOST_UPLOADS:
                self.drop(next(iter(self._digests)))
        if found is not None:
            self._digests.move_to_end(upload_id)
        return found

    def drop(self, upload_id: str) -> None:
        """Forget an upload."""
        found = self._digests.pop(upload_id, None)
        if found is not None:
            found.stop()

    async def close(self) -> None:
        """End the threads."""
        for digests in self._digests.values():
            digests.stop()
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)
