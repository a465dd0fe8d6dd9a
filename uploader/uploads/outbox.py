"""The outbox: it announces the chunks that the database lists as unannounced, immediately or when Kafka is back.

A worker announces an upload under a claim, so that only one of them does. If it dies between Kafka's acknowledgement
and the commit, the claim expires and another worker announces the chunks again: a message is delivered at least once,
and exactly once in normal operation.
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
from uploader.domain.csv_header_limits import header_json_bytes
from uploader.domain.messages import Sign, build_message, build_messages
from uploader.domain.records import ChunkRecord, UploadOverview, UploadRecord
from uploader.domain.replica_identity import ReplicaIdentity
from uploader.domain.transitions import announced, failed
from uploader.errors import PublishError, UploadGoneError
from uploader.kafka.publisher import Publisher, PublishResult
from uploader.runtime.clock import Clock
from uploader.runtime.logging import UploadLog
from uploader.store.claims import Claim
from uploader.store.store import Store

CLAIM_FOR = timedelta(seconds=20)
"""Twice the deadline of a publish, so that a live claim never expires."""
_PUBLISH_TIMEOUT_S = 10.0
_MESSAGES_AT_ONCE = 500
_BATCH_BYTES = 4 * BYTES_PER_MB
"""Size limit of a batch of messages, which is built in memory, and again after a failure."""
_MESSAGE_BYTES = 2048
"""Size of a message without the column names: addresses, names, numbers."""
_RETRY_AFTER = timedelta(seconds=5)
_IN_REQUEST_S = 5.0
_IN_REQUEST_WAITS_S = (0.2, 0.8)
"""Pauses between the tries while the client waits for its answer; after the last one the outbox takes over."""
_log = logging.getLogger(__name__)


class Outbox:
    """Announces uploads. Calls block."""

    def __init__(
        self,
        *,
        store: Store,
        publisher: Publisher,
        replica: ReplicaIdentity,
        sign: Sign,
        clock: Clock,
        spans: Spans | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._replica = replica
        self._sign = sign
        self._clock = clock
        self._spans = spans or NoSpans()
        self._pause = pause

    def announce_now(self, upload: UploadRecord, claim: Claim) -> None:
        """Announce an upload that was created under ``claim``, with a few tries over some seconds.

        If they fail, release the claim, and :meth:`run_pass` continues.
        """
        deadline = time.monotonic() + _IN_REQUEST_S
        for pause_s in (*_IN_REQUEST_WAITS_S, None):
            failure = self._announce(upload, claim, timeout_s=deadline - time.monotonic())
            if failure is None:
                return
            if pause_s is None or time.monotonic() + pause_s >= deadline:
                break
            self._pause(pause_s)
        UploadLog(_log, upload.upload_id).warning("Upload not announced yet", extra={"error": failure})
        self._store.claims.release(claim, until=self._clock())

    def announce_once_more(self, upload: UploadOverview, chunk: ChunkRecord) -> None:
        """Send the message of one chunk, whatever its state, without changing the state.

        Raises:
            PublishError: Kafka did not accept it. It is not retried.
        """
        in_full = self._store.uploads.find(upload.upload_id)
        assert in_full is not None  # noqa: S101  rows are never deleted
        message = build_message(
            in_full, chunk, base_url=self._replica.base_url, published_at=self._clock(), sign=self._sign
        )
        result = self._publish(upload, [message], timeout_s=_IN_REQUEST_S)
        if chunk.chunk_id not in result.acknowledged:
            reason = result.failure or result.refused.get(chunk.chunk_id)
            raise PublishError(f"nothing was announced, try again when Kafka is back: {reason}")

    def run_pass(self) -> bool:
        """Announce all waiting uploads; return False if Kafka does not accept one, which delays the next pass."""
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
                # Behind the others that wait: one upload that Kafka does not accept must not delay them.
                self._store.claims.release(claim, until=self._clock() + _RETRY_AFTER)
                UploadLog(_log, upload.upload_id).warning("Upload not announced; retrying", extra={"error": failure})
                return False

    def _announce(self, upload: UploadRecord, claim: Claim, *, timeout_s: float) -> str | None:
        """Announce the remaining chunks of ``upload``; return the reason of a failure, or None."""
        while chunks := self._store.claims.unannounced(upload.upload_id, limit=_batch_size(upload)):
            now = self._clock()
            # Before the first messages too: the commit of the claim may have waited longer than the claim lasts.
            if not self._store.claims.renew(claim, claim_for=CLAIM_FOR, now=now):
                return None  # another worker has taken over
            messages = build_messages(
                upload, chunks, base_url=self._replica.base_url, published_at=now, sign=self._sign
            )
            result = self._publish(upload, messages, timeout_s=timeout_s)
            self._mark(upload, chunks, result, published_at=now)
            if result.failure is not None:
                return result.failure
        return None

    def _publish(self, upload: UploadOverview, messages: Sequence[ChunkMessage], *, timeout_s: float) -> PublishResult:
        """Publish in the upload's own trace, even hours later, from another process, or again."""
        attributes: Attributes = {"csvpipe.upload_id": upload.upload_id, "csvpipe.chunks": len(messages)}
        with self._spans.span(
            "announce", parent=upload.traceparent, kind=SpanKind.PRODUCER, attributes=attributes
        ) as span:
            result = self._publisher.publish(messages, timeout_s=timeout_s, traceparent=span.traceparent)
            span.set_attributes({"csvpipe.chunks.acknowledged": len(result.acknowledged)})
            return result

    def _mark(
        self, upload: UploadOverview, chunks: list[ChunkRecord], result: PublishResult, *, published_at: datetime
    ) -> None:
        log = UploadLog(_log, upload.upload_id)
        at = self._clock()
        answered = [*result.acknowledged, *result.refused]
        if not answered:
            return

        def edit(chunk: ChunkRecord) -> ChunkRecord:
            refusal = result.refused.get(chunk.chunk_id)
            if refusal is not None:
                return failed(chunk, reason=f"Kafka refused its message: {refusal}")
            return announced(chunk, at=published_at)

        try:
            self._store.chunks.edit(upload.upload_id, answered, edit, at=at)
        except UploadGoneError:
            log.info("Upload was deleted while its chunks were announced")
            return
        acknowledged = set(result.acknowledged)
        for chunk in chunks:
            if chunk.chunk_id in acknowledged:
                log.chunk(logging.INFO, "Chunk announced", chunk)
            elif chunk.chunk_id in result.refused:
                log.chunk(logging.ERROR, "Chunk message refused by Kafka", chunk, error=result.refused[chunk.chunk_id])


def _batch_size(upload: UploadRecord) -> int:
    """Return the number of messages of ``upload`` in a batch."""
    message_bytes = _MESSAGE_BYTES + header_json_bytes(upload.headers)
    return max(1, min(_MESSAGES_AT_ONCE, _BATCH_BYTES // message_bytes))
