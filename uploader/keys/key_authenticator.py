"""The principal of a request by its API key, from a cache of a few seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers

from uploader.access.api_key import ApiKey
from uploader.access.credentials import HEADER, find_credentials
from uploader.access.errors import UnauthenticatedError
from uploader.access.fixed_keys import FixedKey
from uploader.access.key_text import KeyText
from uploader.access.principal import Principal
from uploader.errors import ManifestUnavailableError
from uploader.keys.key_lookups import KeyLookups
from uploader.runtime.clock import Clock
from uploader.store.keys import KeyStore

CACHE_S = 3.0
"""How long a key is not looked up again: a revoked key is dead after this time on every worker."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Cached:
    key: ApiKey
    until_s: float


class KeyAuthenticator:
    """Checks the keys of the database, and those of the settings, which come first and need no database."""

    def __init__(
        self,
        *,
        keys: KeyStore,
        fixed: Sequence[FixedKey],
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._lookups = KeyLookups(keys)
        self._fixed = {key.text.key_id: key for key in fixed}
        self._clock = clock
        self._monotonic = monotonic
        self._cache: dict[str, _Cached] = {}
        self._used_on: dict[str, date] = {}

    async def authenticate(self, headers: Headers) -> Principal:
        """See :class:`uploader.access.authenticator.Authenticator`."""
        given = find_credentials(headers)
        if given is None:
            raise UnauthenticatedError(f"this call needs a key: send it as Authorization: Bearer or as {HEADER}")
        return await self.check_key(given)

    async def check_key(self, key: str) -> Principal:
        """See :class:`uploader.access.authenticator.Authenticator`."""
        text = KeyText.parse(key)
        if text is None:
            raise UnauthenticatedError("the key has another form than csvp_<id>_<secret>: send the whole key")
        fixed = self._fixed.get(text.key_id)
        if fixed is not None and text.is_same(fixed.text):
            return fixed.principal
        cached = self._cache.get(text.key_id)
        if cached is not None and self._monotonic() < cached.until_s and cached.key.has_secret(text, now=self._clock()):
            return self._check(cached.key, text).principal
        # Also if the secret is another one than the cached: the key may have been rotated since.
        return (await self._look_up(text)).principal

    async def _look_up(self, text: KeyText) -> ApiKey:
        until_s = self._monotonic() + CACHE_S  # counted from before the query
        found = await self._lookups.find(text.key_id)
        if found is None:
            self._cache.pop(text.key_id, None)
            raise _invalid()
        self._cache[text.key_id] = _Cached(found, until_s)
        key = self._check(found, text)
        if self._is_first_use_today(key):
            await run_in_threadpool(self._record_use, key)
        return key

    def _check(self, key: ApiKey, text: KeyText) -> ApiKey:
        now = self._clock()
        if not key.has_secret(text, now=now):
            raise _invalid()
        if key.revoked_at is not None:
            raise UnauthenticatedError(f"key {key.key_id} was revoked at {key.revoked_at.isoformat()}")
        if key.is_expired(now):
            raise UnauthenticatedError(f"key {key.key_id} has expired: ask for a new one")
        return key

    def _is_first_use_today(self, key: ApiKey) -> bool:
        """Return whether the use of ``key`` is to be recorded, once for all who use it now."""
        today = self._clock().date()
        if self._used_on.get(key.key_id) == today or (key.last_used_on is not None and key.last_used_on >= today):
            return False
        self._used_on[key.key_id] = today
        return True

    def _record_use(self, key: ApiKey) -> None:
        try:
            self._keys.record_use(key.key_id, on=self._used_on[key.key_id])
        except ManifestUnavailableError as error:  # a full disk, for instance: no reason to refuse the request
            self._used_on.pop(key.key_id, None)
            _log.warning("Use of key not recorded", extra={"key_id": key.key_id, "error": error.detail})


def _invalid() -> UnauthenticatedError:
    return UnauthenticatedError("the key is not valid here: check that it is complete, and of this uploader")
