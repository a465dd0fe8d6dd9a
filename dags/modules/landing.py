"""Watching chunks land: look at the objects, report each one that is right."""

from __future__ import annotations

import logging

from contracts.states import ChunkState, UploadState
from dags.modules.errors import ChunksNotLandedError, StateRefusedError, StoreError, UploaderError, UploadGoneError
from dags.modules.object_store import ExpectedChunk, Look, ObjectStore
from dags.modules.uploader_client import UploaderClient

log = logging.getLogger(__name__)


class LandingWatch:
    """The chunks of one run that have not been seen landed, or whose landing the uploader does not know yet.

    A store or an uploader that does not answer leaves a chunk pending: it is looked at again.
    """

    def __init__(self, *, store: ObjectStore, uploader: UploaderClient, chunks: list[ExpectedChunk]) -> None:
        self._store = store
        self._uploader = uploader
        self._pending = {chunk.chunk_id: chunk for chunk in chunks}
        self._faults = dict.fromkeys(self._pending, "not looked at yet")

    @property
    def pending(self) -> list[ExpectedChunk]:
        """What is still to come."""
        return list(self._pending.values())

    def describe_missing(self) -> list[str]:
        """Name every pending chunk: its object and what is wrong with it."""
        return [f"chunk {chunk.chunk_id} ({chunk.key}): {self._faults[chunk.chunk_id]}" for chunk in self.pending]

    def look(self) -> int:
        """Look at all that is pending, report what has landed, and return how many did.

        Raises:
            StateRefusedError: the uploader refuses the evidence: what lies in the bucket is not what it announced.
        """
        try:
            looks = self._store.look_at_all(self.pending)
        except StoreError as error:
            log.warning("%s", error)
            self._faults.update(dict.fromkeys(self._pending, error.detail))
            return 0
        for look in looks:
            if look.fault is not None:
                self._faults[look.chunk.chunk_id] = look.fault
        landed = [look for look in looks if look.fault is None]
        return self._report_landed(landed)

    def give_up(self) -> list[str]:
        """Report every pending chunk as failed, and return :meth:`describe_missing`.

        Raises:
            UploadGoneError: the upload was deleted meanwhile, so nothing is missing.
        """
        try:
            if self._uploader.fetch_state() is UploadState.ABORTED:
                raise UploadGoneError("the upload was deleted")
            for chunk in self.pending:
                self._report_failed(chunk)
        except UploadGoneError:
            raise
        except UploaderError as error:
            log.warning("the failure could not be reported: %s", error)
        return self.describe_missing()

    def _report_failed(self, chunk: ExpectedChunk) -> None:
        reason = self._faults[chunk.chunk_id][:500]
        try:
            self._uploader.report(chunk.chunk_id, ChunkState.FAILED, reason=reason, published_at=chunk.published_at)
        except StateRefusedError as error:
            log.warning("chunk %d: its failure is no news to the uploader: %s", chunk.chunk_id, error)

    def _report_landed(self, looks: list[Look]) -> int:
        for number, look in enumerate(looks):
            chunk_id = look.chunk.chunk_id
            log.info("chunk %d has landed: %s", chunk_id, look.chunk.key)
            try:
                self._uploader.report(chunk_id, ChunkState.LANDED, evidence=look.evidence)
            except UploadGoneError:
                log.warning("chunk %d has landed, but its upload was deleted meanwhile", chunk_id)
            except StateRefusedError:
                raise
            except UploaderError as error:
                # It is away. To ask for each of 500 chunks, half a minute each, would hold this look up for hours.
                log.warning("chunk %d: %s", chunk_id, error)
                fault = f"landed, but the uploader does not take the report: {error.detail}"
                self._faults.update({look.chunk.chunk_id: fault for look in looks[number:]})
                return number
            del self._pending[chunk_id]
        return len(looks)


def raise_not_landed(missing: list[str], deadline_s: float) -> None:
    """Fail the task with the names of ``missing``.

    Raises:
        ChunksNotLandedError: always, unless nothing is missing.
    """
    if not missing:
        return
    shown = "\n  ".join(missing[:50]) + ("\n  ..." if len(missing) > 50 else "")
    raise ChunksNotLandedError(
        f"{len(missing)} chunks have not landed, and for {deadline_s:.0f} s none did:\n  {shown}\n"
        "NiFi's bulletins say why; a retry looks again, and POST /uploads/{id}/announce sends them anew"
    )
