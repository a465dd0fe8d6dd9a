"""Landing monitor: check the objects of a run's chunks, and report each chunk that has landed."""

from __future__ import annotations

from collections.abc import Callable

from contracts.number_text import counted
from contracts.states import ChunkState, UploadState
from dags.modules.errors import (
    ChunksNotLandedError,
    ConfigurationError,
    StateRefusedError,
    StoreError,
    StoreRefusedError,
    UploadDeletedError,
    UploaderError,
    UploaderKeyError,
)
from dags.modules.object_store import ExpectedChunk, ObjectCheck, ObjectStore
from dags.modules.task_log import task_logger
from dags.modules.uploader_client import UploaderClient

log = task_logger(__name__)

_SHOWN_CHUNKS = 50


class LandingMonitor:
    """The chunks of one run that have not landed, or whose landing the uploader has not recorded yet.

    A chunk stays pending while the store or the uploader does not answer, and is checked again. After a refusal it
    is checked with what ``reopen_store`` returns: the connection may have another key by now.
    """

    def __init__(
        self,
        *,
        store: ObjectStore,
        uploader: UploaderClient,
        chunks: list[ExpectedChunk],
        reopen_store: Callable[[], ObjectStore] | None = None,
    ) -> None:
        self._store = store
        self._reopen_store = reopen_store or (lambda: store)
        self._uploader = uploader
        self._pending = {chunk.chunk_id: chunk for chunk in chunks}
        self._faults = dict.fromkeys(self._pending, "not checked yet")

    @property
    def pending(self) -> list[ExpectedChunk]:
        """The chunks that have not landed yet."""
        return list(self._pending.values())

    def describe_missing(self) -> list[str]:
        """Return a line for each pending chunk, with its object and the reason."""
        return [f"chunk {chunk.chunk_id} ({chunk.key}): {self._faults[chunk.chunk_id]}" for chunk in self.pending]

    def check(self) -> int:
        """Check all pending chunks, report those that have landed, and return their number.

        Raises:
            StateRefusedError: The uploader rejected the evidence: the object is not the announced one.
        """
        try:
            checks = self._check_bucket()
        except (StoreError, ConfigurationError) as error:
            log.warning("Cannot check the bucket", extra={"error": error.detail})
            self._faults.update(dict.fromkeys(self._pending, error.detail))
            return 0
        for check in checks:
            if check.fault is not None:
                self._faults[check.chunk.chunk_id] = check.fault
        landed = [check for check in checks if check.fault is None]
        return self._report_landed(landed)

    def _check_bucket(self) -> list[ObjectCheck]:
        try:
            return self._store.check_all(self.pending)
        except StoreRefusedError:
            self._store = self._reopen_store()
            return self._store.check_all(self.pending)

    def report_failed(self) -> list[str]:
        """Report every pending chunk as failed, and return :meth:`describe_missing`.

        Raises:
            UploadDeletedError: The upload was deleted in the meantime, so nothing is missing.
        """
        try:
            if self._uploader.fetch_state() is UploadState.ABORTED:
                raise UploadDeletedError("the upload was deleted")
            for chunk in self.pending:
                self._report_failed(chunk)
        except (UploadDeletedError, UploaderKeyError):
            raise
        except UploaderError as error:
            log.warning("Cannot report the failed chunks", extra={"error": error.detail})
        return self.describe_missing()

    def _report_failed(self, chunk: ExpectedChunk) -> None:
        reason = self._faults[chunk.chunk_id][:500]
        try:
            self._uploader.report(chunk.chunk_id, ChunkState.FAILED, reason=reason, published_at=chunk.published_at)
        except StateRefusedError as error:
            extra = {"chunk_id": chunk.chunk_id, "error": error.detail}
            log.warning("Uploader already knows this failure", extra=extra)

    def _report_landed(self, checks: list[ObjectCheck]) -> int:
        for number, check in enumerate(checks):
            chunk_id = check.chunk.chunk_id
            log.info("Chunk landed", extra={"chunk_id": chunk_id, "path": check.chunk.key})
            try:
                self._uploader.report(chunk_id, ChunkState.LANDED, evidence=check.evidence)
            except UploadDeletedError:
                log.warning("Chunk landed after its upload was deleted", extra={"chunk_id": chunk_id})
            except (StateRefusedError, UploaderKeyError):
                raise
            except UploaderError as error:
                # The uploader is unavailable. Half a minute for each of 500 chunks would delay this check for hours.
                log.warning("Cannot report the landed chunk", extra={"chunk_id": chunk_id, "error": error.detail})
                fault = f"landed, but the uploader did not accept the report: {error.detail}"
                self._faults.update({later.chunk.chunk_id: fault for later in checks[number:]})
                return number
            del self._pending[chunk_id]
        return len(checks)


def raise_if_missing(missing: list[str], deadline_s: float) -> None:
    """Fail the task with the descriptions of the missing chunks.

    Raises:
        ChunksNotLandedError: Chunks are missing.
    """
    if not missing:
        return
    shown = "\n  ".join(missing[:_SHOWN_CHUNKS]) + ("\n  ..." if len(missing) > _SHOWN_CHUNKS else "")
    raise ChunksNotLandedError(
        f"{counted(len(missing), 'chunk')} missing; none has landed in the last {deadline_s:.0f} s:\n  {shown}\n"
        "See NiFi's bulletins for the reason. A retry checks again; POST /uploads/{id}/announce sends the chunks again"
    )
