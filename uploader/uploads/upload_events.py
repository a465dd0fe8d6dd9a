"""Changes of uploads for those who listen: one look at the database a second, however many they are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from contracts.api import UploadSummary
from contracts.permissions import Permission
from uploader.access.principal import Principal
from uploader.errors import ManifestUnavailableError
from uploader.runtime.blocking_pool import BlockingPool
from uploader.store.changes import ChangeStore
from uploader.uploads.change_reader import ChangeReader, Changes

MOST_PENDING = 1_000
"""Uploads whose state waits for one listener; beyond, the listener has to ask for the state of everything."""
_log = logging.getLogger(__name__)


class Listener:
    """What one client has not been sent yet: the latest state of each upload (event loop only)."""

    def __init__(self, principal: Principal, *, dataset: str | None, upload_id: str | None) -> None:
        self.principal = principal
        self._dataset = dataset
        self._upload_id = upload_id
        self._pending: dict[str, UploadSummary] = {}
        self._has_missed = False
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """End :meth:`wait`."""
        self._woken.set()

    async def wait(self, timeout_s: float) -> None:
        """Wait until there is something to send, or :meth:`wake` is called, but no longer than ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    def put(self, changes: Changes) -> None:
        """Add what concerns this client."""
        if changes.is_cut:
            self._miss()
        for upload in changes.uploads:
            if self._wants(upload):
                self._pending[upload.upload_id] = upload
        if len(self._pending) > MOST_PENDING:
            self._miss()
        if self._pending:
            self.wake()

    def take(self) -> tuple[bool, list[UploadSummary]]:
        """Return whether changes were missed, and what is pending, which is sent then."""
        has_missed, pending = self._has_missed, list(self._pending.values())
        self._has_missed, self._pending = False, {}
        return has_missed, pending

    def _miss(self) -> None:
        self._has_missed, self._pending = True, {}
        self.wake()

    def _wants(self, upload: UploadSummary) -> bool:
        return (
            self._dataset in {None, upload.dataset_name}
            and self._upload_id in {None, upload.upload_id}
            and self.principal.may(Permission.READ, upload.dataset_name)
        )


class UploadEvents:
    """Looks at the database while anybody listens (event loop only)."""

    def __init__(self, *, store: ChangeStore, threads: BlockingPool, interval_s: float) -> None:
        self._store = store
        self._threads = threads
        self._interval_s = interval_s
        self._listeners: set[Listener] = set()
        self._starting = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def listening(
        self, principal: Principal, *, dataset: str | None, upload_id: str | None
    ) -> AsyncIterator[Listener]:
        """Listen to the uploads that ``principal`` may read, of one dataset or one upload if it is given.

        Whatever changes after this has begun is put into the listener.

        Raises:
            ManifestUnavailableError: the database does not answer.
        """
        listener = Listener(principal, dataset=dataset, upload_id=upload_id)
        self._listeners.add(listener)
        try:
            async with self._starting:
                if self._task is None:
                    reader = await self._threads.run(ChangeReader, self._store)
                    self._task = asyncio.create_task(self._run(reader))
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                self._stop()

    @property
    def is_looking(self) -> bool:
        """Whether the database is looked at, because somebody listens."""
        return self._task is not None

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self, reader: ChangeReader) -> None:
        has_failed = False
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                changes = await self._threads.run(reader.look)
            except ManifestUnavailableError as error:
                if not has_failed:
                    _log.warning("Changes of uploads not read; retrying", extra={"error": error.detail})
                has_failed = True
                continue
            except Exception:  # noqa: BLE001  the task outlives the errors of one look, and logs them
                _log.exception("Changes of uploads not read; retrying")
                continue
            has_failed = False
            if changes.uploads or changes.is_cut:
                for listener in self._listeners:
                    listener.put(changes)
