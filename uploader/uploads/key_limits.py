"""The limits of keys on uploads, as one worker process applies them."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from contracts.number_text import counted
from uploader.access.principal import Principal
from uploader.access.rate_limit_headers import AT_ONCE_POLICY, RATE_POLICY, rate_limit_headers
from uploader.access.upload_limits import UploadLimits
from uploader.errors import (
    ManifestUnavailableError,
    TooManyUploadsError,
    TooManyUploadsOfKeyError,
    UploadRateExceededError,
)
from uploader.runtime.blocking_pool import BlockingPool
from uploader.store.admissions import Admission, AdmissionStore, Limit

RETRY_AFTER_S = 10
"""When a client whose uploads at once are all running should try again; nobody knows when one of them ends."""
_log = logging.getLogger(__name__)


class KeyLimits:
    """Admits uploads by the limits of their keys. Uploads without a key have none, and cost no query."""

    def __init__(self, *, store: AdmissionStore, threads: BlockingPool, defaults: UploadLimits) -> None:
        self._store = store
        self._threads = threads
        self._defaults = defaults
        self._slots: set[str] = set()

    @asynccontextmanager
    async def admitted(self, principal: Principal, headers: dict[str, str]) -> AsyncIterator[None]:
        """Hold a slot of the key for the duration of an upload, after taking a unit of its rate.

        The unit is given back if the block ends in TooManyUploadsError, which refuses before the body is read.

        Args:
            principal: who uploads.
            headers: gets the ``RateLimit`` headers of the response, whatever it is.

        Raises:
            UploadRateExceededError: the key has no unit left.
            TooManyUploadsOfKeyError: the key has no slot left.
            ManifestUnavailableError: the database does not answer.
        """
        async with self._admitted(principal, headers, self._limits_of(principal)):
            yield

    async def count_start(self, principal: Principal, headers: dict[str, str]) -> None:
        """Take a unit of the key's rate for an upload whose bytes come in other requests.

        Raises:
            UploadRateExceededError: the key has no unit left.
            ManifestUnavailableError: the database does not answer.
        """
        async with self._admitted(principal, headers, replace(self._limits_of(principal), at_once=0)):
            """Nothing else is held."""

    @asynccontextmanager
    async def slot(self, principal: Principal, headers: dict[str, str]) -> AsyncIterator[None]:
        """Hold a slot of the key for the duration of one request of an upload that has started before.

        Raises:
            TooManyUploadsOfKeyError: the key has no slot left.
            ManifestUnavailableError: the database does not answer.
        """
        async with self._admitted(principal, headers, replace(self._limits_of(principal), per_minute=0)):
            yield

    @asynccontextmanager
    async def _admitted(
        self, principal: Principal, headers: dict[str, str], limits: UploadLimits
    ) -> AsyncIterator[None]:
        if principal.key_id is None or limits.are_unlimited:
            yield
            return
        slot_id = uuid.uuid4().hex
        admission = await self._threads.run(self._store.admit, principal.key_id, slot_id=slot_id, limits=limits)
        headers.update(rate_limit_headers(admission.usage))
        _check(admission)
        self._slots.add(slot_id)
        refunds = False
        try:
            yield
        except TooManyUploadsError:
            refunds = True
            raise
        finally:
            self._slots.discard(slot_id)
            release = self._release(principal.key_id, slot_id, limits, headers, refunds=refunds)
            # Shielded: a request that is cancelled releases its slot all the same.
            await asyncio.shield(asyncio.create_task(release))

    def renew(self) -> bool:
        """Extend the leases of the slots that this worker holds (blocks)."""
        held = self._slots.copy()
        if held:
            self._store.renew(held)
        return True

    async def _release(
        self, key_id: str, slot_id: str, limits: UploadLimits, headers: dict[str, str], *, refunds: bool
    ) -> None:
        try:
            usage = await self._threads.run(
                self._store.release, key_id, slot_id=slot_id, limits=limits, refunds=refunds
            )
        except ManifestUnavailableError as error:  # the upload has ended, and the lease of its slot will too
            _log.warning("Slot not released; it expires", extra={"error": error.detail})
        else:
            headers.update(rate_limit_headers(usage))

    def _limits_of(self, principal: Principal) -> UploadLimits:
        per_minute, at_once = principal.uploads_per_minute, principal.concurrent_uploads
        return UploadLimits(
            per_minute=self._defaults.per_minute if per_minute is None else per_minute,
            at_once=self._defaults.at_once if at_once is None else at_once,
        )


def _check(admission: Admission) -> None:
    usage = admission.usage
    if admission.refused_by is Limit.RATE:
        wait_s = max(1, usage.next_unit_s)
        raise UploadRateExceededError(
            f"the key may start {counted(usage.limits.per_minute, 'upload')} a minute (UPLOADS_PER_MINUTE, or the "
            f"limit of the key); retry after {counted(wait_s, 'second')}",
            retry_after_s=wait_s,
            policy=RATE_POLICY,
        )
    if admission.refused_by is Limit.AT_ONCE:
        raise TooManyUploadsOfKeyError(
            f"the key has its limit of {counted(usage.limits.at_once, 'running upload')} (UPLOADS_AT_ONCE_PER_KEY, or "
            f"the limit of the key); retry when one has ended, or after {RETRY_AFTER_S} seconds",
            retry_after_s=RETRY_AFTER_S,
            policy=AT_ONCE_POLICY,
        )
