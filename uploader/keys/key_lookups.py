"""Lookups of keys for many callers: those of the same moment share a query."""

from __future__ import annotations

import asyncio

from starlette.concurrency import run_in_threadpool

from uploader.access.api_key import ApiKey
from uploader.store.keys import KeyStore


class KeyLookups:
    """Finds keys, with one query for all callers that ask in the same turn of the event loop (event loop only).

    All streams of events check their keys at the same time: a query each would grow with the streams.
    """

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys
        self._asked: dict[str, asyncio.Future[ApiKey | None]] = {}
        self._queries: set[asyncio.Task[None]] = set()

    async def find(self, key_id: str) -> ApiKey | None:
        """Return one key, by a query that begins after this call.

        Raises:
            ManifestUnavailableError: the database does not answer.
        """
        if not self._asked:
            query = asyncio.create_task(self._query())
            self._queries.add(query)
            query.add_done_callback(self._queries.discard)
        if key_id not in self._asked:
            self._asked[key_id] = asyncio.get_running_loop().create_future()
        # One caller that is cancelled does not end the query of the others.
        return await asyncio.shield(self._asked[key_id])

    async def _query(self) -> None:
        asked, self._asked = self._asked, {}
        try:
            found = await run_in_threadpool(self._keys.find_many, asked)
        except Exception as error:  # noqa: BLE001  it is raised to all who asked
            for answer in asked.values():
                answer.set_exception(error)
                answer.exception()  # whoever asked may be gone
            return
        for key_id, answer in asked.items():
            answer.set_result(found.get(key_id))
