"""The outbox: what the manifests hold as not yet announced is announced, at once or when Kafka is back.

An upload is announced under a claim, so that of several workers one does it. A worker that dies between Kafka's
acknowledgement and the mark in the manifest leaves the claim to run out, and another announces again: a message comes
at least once, and in normal operation once.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from contracts.message import ChunkMessage
from contracts.names import BYTES_PER_MB
from contracts.spans import Attributes, NoSpans, SpanKind, Spans
from uploader.domain.header_limits import header_json_bytes
from uploader.domain.messages import message_of, messages_of
from uploader.domain.records import ChunkRecord, UploadOverview, UploadRecord
from uploader.domain.replica_identity import ReplicaIdentity
from uploader.domain.transitions import announced, failed
from uploader.errors import PublishError, UploadGoneError
from uploader.kafka.publisher import Outcome, Publisher
from uploader.runtime.clock import Clock
from uploader.runtime.logging import UploadLog
from uploader.store.claims import Claim
from uploader.store.store import Store

CLAIM_FOR = timedelta(seconds=20)
"""Longer than a publish may take: twice its deadline, so that a live claim is never lost."""
_PUBLISH_TIMEOUT_S = 10.0
_MESSAGES_AT_ONCE = 500
_BATCH_BYTES = 4 * BYTES_PER_MB
"""What the messages of one batch may take together; they are built in memory, and again after a failure."""
_MESSAGE_BYTES = 2048
"""What a message takes beside the column names: addresses, names, numbers."""
_RETRY_AFTER = timedelta(seconds=5)
_IN_REQUEST_S = 5.0
_IN_REQUEST_WAITS_S = (0.2, 0.8)
"""Pauses between the tries while the client waits for its answer; after the last one the outbox goes on."""
_log = logging.getLogger(__name__)


class Outbox:
    """Announces uploads. All calls block."""

    def __init__(
        self,
        *,
        store: Store,
        publisher: Publisher,
        replica: ReplicaIdentity,
        clock: Clock,
        spans: Spans | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._replica = replica
        self._clock = clock
        self._spans = spans or NoSpans()
        self._pause = pause

    def announce_now(self, upload: UploadRecord, claim: Claim) -> None:
        """Announce an upload that was created under ``claim`` in a few tries, some seconds in all.

        Where that fails, the claim is given up and :meth:`run_pass` goes on.
        """
        deadline = time.monotonic() + _IN_REQUEST_S
        for pause_s in (*_IN_REQUEST_WAITS_S, None):
            failure = self._announce(upload, claim, timeout_s=deadline - time.monotonic())
            if failure is None:
                return
            if pause_s is None or time.monotonic() + pause_s >= deadline:
                break
            self._pause(pause_s)
        UploadLog(_log, upload.upload_id).warning("Not announced yet, the outbox goes on: %s", failure)
        self._store.claims.release(claim, until=self._clock())

    def announce_once_more(self, upload: UploadOverview, chunk: ChunkRecord) -> None:
        """Send the message of one chunk, whatever its state, and leave that as it is.

        Raises:
            PublishError: Kafka does not take it; nobody tries again.
        """
        in_full = self._store.uploads.find(upload.upload_id)
        assert in_full is not None  # noqa: S101  rows are never deleted
        message = message_of(in_full, chunk, base_url=self._replica.base_url, published_at=self._clock())
        outcome = self._publish(upload, [message], timeout_s=_IN_REQUEST_S)
        if chunk.chunk_id not in outcome.acknowledged:
            reason = outcome.failure or outcome.refused.get(chunk.chunk_id)
            raise PublishError(f"nothing was announced, ask again when Kafka is back: {reason}")

    def run_pass(self) -> bool:
        """Announce all that waits; return False where Kafka does not take it, so that one comes back later."""
        while True:
            owner = uuid.uuid4().hex
            claim = self._store.claims.claim_next(
                replica=self._replica.name, owner=owner, claim_for=CLAIM_FOR, now=self._clock()
            )
            if claim is None:
                return True
            upload = self._store.uploads.find(claim.upload_id)
            assert upload is not None  # noqa: S101  rows are never deleted, and this one was just claimed
            failure = self._announce(upload, claim, timeout_s=_PUBLISH_TIMEOUT_S)
            if failure is not None:
                # Later than the others that wait: one upload that Kafka does not take must not hold them up.
                self._store.claims.release(claim, until=self._clock() + _RETRY_AFTER)
                UploadLog(_log, upload.upload_id).warning("Not announced, will be tried again: %s", failure)
                return False

    def _announce(self, upload: UploadRecord, claim: Claim, *, timeout_s: float) -> str | None:
        """Announce what is left of ``upload``; return why that did not succeed."""
        while chunks := self._store.claims.unannounced(upload.upload_id, limit=_batch_size(upload)):
            now = self._clock()
            # Before the first messages too: the commit that made the claim may have waited longer than it holds.
            if not self._store.claims.renew(claim, claim_for=CLAIM_FOR, now=now):
                return None  # this took so long that another worker has taken over
            messages = messages_of(upload, chunks, base_url=self._replica.base_url, published_at=now)
            outcome = self._publish(upload, messages, timeout_s=timeout_s)
            self._mark(upload, chunks, outcome, published_at=now)
            if outcome.failure is not None:
                return outcome.failure
        return None

    def _publish(self, upload: UploadOverview, messages: Sequence[ChunkMessage], *, timeout_s: float) -> Outcome:
        """Publish in the upload's own trace, be it hours later, in another process or once more."""
        attributes: Attributes = {"csvpipe.upload_id": upload.upload_id, "csvpipe.chunks": len(messages)}
        with self._spans.span(
            "announce", parent=upload.traceparent, kind=SpanKind.PRODUCER, attributes=attributes
        ) as span:
            outcome = self._publisher.publish(messages, timeout_s=timeout_s, traceparent=span.traceparent)
            span.set_attributes({"csvpipe.chunks.acknowledged": len(outcome.acknowledged)})
            return outcome

    def _mark(
        self, upload: UploadOverview, chunks: list[ChunkRecord], outcome: Outcome, *, published_at: datetime
    ) -> None:
        log = UploadLog(_log, upload.upload_id)
        at = self._clock()
        told = [*outcome.acknowledged, *outcome.refused]
        if not told:
            return

        def edit(chunk: ChunkRecord) -> ChunkRecord:
            refusal = outcome.refused.get(chunk.chunk_id)
            if refusal is not None:
                return failed(chunk, reason=f"Kafka refuses its message: {refusal}")
            return announced(chunk, at=published_at)

        try:
            self._store.chunks.edit(upload.upload_id, told, edit, at=at)
        except UploadGoneError:
            log.info("Deleted while it was announced; downloads answer 410")
            return
        acknowledged = set(outcome.acknowledged)
        for chunk in chunks:
            place = (chunk.chunk_id, upload.total_chunks, chunk.filename)
            if chunk.chunk_id in acknowledged:
                log.info("Chunk %d/%d: %s announced", *place)
            elif chunk.chunk_id in outcome.refused:
                log.error("Chunk %d/%d: %s refused: %s", *place, outcome.refused[chunk.chunk_id])


def _batch_size(upload: UploadRecord) -> int:
    """Return how many messages of ``upload`` are built at once."""
    message_bytes = _MESSAGE_BYTES + header_json_bytes(upload.headers)
    return max(1, min(_MESSAGES_AT_ONCE, _BATCH_BYTES // message_bytes))
