"""The topic that bad rows go to: told before any row of their block is sent, and told once."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sequencer.job.in_flight import InFlight
from sequencer.kafka.partition_reader import QUIET_S, PartitionReader
from sequencer.kafka.sender import BATCH_BYTES, MAX_UNACKNOWLEDGED_RECORDS, Sender, producer_config
from sequencer.model.blocks import DeadLetter
from sequencer.model.records import Records
from sequencer.shutdown import StopRequest

_log = logging.getLogger(__name__)
_PARTITION = 0


class DeadLetters:
    """Sends the dead letters of a job, but for those that an earlier process has sent.

    Args:
        client: librdkafka's configuration of the connection.
        topic: the dead-letter topic; other jobs may write to it as well.
        job_id: stands in each letter.
        etags: the ETag of each file; stands in each letter, as another content has other bad rows.
        compression, level, delivery_timeout_s, expiry_s: as for the records.
        stop: the wish to end early, looked at while the topic is read.
        in_flight: follows what is sent.
        max_batch_bytes: the topic's ``max.message.bytes``; None: not known.

    Raises:
        StopRequestedError: ``stop`` came first.
        TopicError: there is no such topic.
    """

    def __init__(
        self,
        client: dict[str, Any],
        *,
        topic: str,
        job_id: str,
        etags: Mapping[str, str],
        compression: str,
        level: int | None,
        delivery_timeout_s: float,
        expiry_s: float,
        stop: StopRequest,
        in_flight: InFlight | None = None,
        max_batch_bytes: int | None = None,
    ) -> None:
        self._in_flight = in_flight or InFlight()
        self._job_id = job_id
        self._etags = etags
        self._sent: set[int] = set()
        self._log = PartitionReader(client, topic=topic, partition=_PARTITION, stop=stop)
        self._log.ends()  # is it there?
        self._topic = topic
        self._delivery_timeout_s = delivery_timeout_s
        self._config = producer_config(
            client, compression=compression, level=level, expiry_s=expiry_s, max_batch_bytes=max_batch_bytes
        )
        self._sender: Sender | None = None

    def find_sent_lines(self) -> frozenset[int]:
        """Find out which of the job's letters are there already; return their lines.

        The topic need not come to rest, as it is the other jobs' as well: what counts is that nothing more of ours
        comes. The caller holds the lease, so no other process of this job hands anything to Kafka's client, and has
        waited for what may have been on its way (:meth:`DeadLetterTopic.wait_for_late_requests`). So the topic is read,
        and then what has come within a second, until that is nothing of ours.
        """
        begin, high = self._log.ends()
        _log.info("looking for letters of %s among %d of %s", self._job_id, high - begin, self._topic)
        self._read(begin, high)
        found = True
        while found:
            self._log.wait(QUIET_S)
            begin, high = high, self._log.ends()[1]
            found = self._read(begin, high)
        return frozenset(self._sent)

    def _read(self, begin: int, high: int) -> bool:
        """Note the job's letters between two offsets; return whether there were any."""
        letters = map(parse_dead_letter, self._log.values(begin, high))
        lines = [letter["_source_line"] for letter in letters if letter is not None and self._is_ours(letter)]
        self._sent.update(lines)
        return bool(lines)

    def _is_ours(self, letter: dict[str, Any]) -> bool:
        name = letter.get("_source_file")
        return letter["job_id"] == self._job_id and letter.get("etag") == self._etags.get(str(name))

    def send(self, letters: Sequence[DeadLetter], *, may_send: Callable[[], bool], until: Callable[[], bool]) -> bool:
        """Send what was not sent before, and wait until Kafka has it.

        A block of bad rows may be far longer as letters, so they go out in batches.

        Args:
            letters: of the rows of one block.
            may_send: asked before each batch; False ends the sending.
            until: asked while Kafka is waited for; True ends that.

        Returns:
            Whether Kafka has all of them.

        Raises:
            CsvPipeError: it could not be sent.
        """
        unsent = [letter for letter in letters if letter.line not in self._sent]
        if not unsent:
            return True
        if self._sender is None:
            self._sender = Sender(
                self._config,
                topic=self._topic,
                partition=_PARTITION,
                delivery_timeout_s=self._delivery_timeout_s,
                next_offset=None,
                on_acknowledged=lambda _: None,
            )
            self._in_flight.follow(self._sender)
        values = [
            dead_letter_json(letter, job_id=self._job_id, etag=self._etags[letter.source_file]) for letter in unsent
        ]
        records = Records.of(values)
        for begin, end in records.spans(most_records=MAX_UNACKNOWLEDGED_RECORDS, most_bytes=BATCH_BYTES):
            if not may_send():
                return False
            self._sender.send(records.part(begin, end), last_line=unsent[end - 1].line, place=None)
            if not self._sender.drain(until=until):
                return False
            self._sent.update(letter.line for letter in unsent[begin:end])
        return True

    def close(self) -> None:
        """End the client's threads."""
        self._log.close()
        if self._sender is not None:
            self._sender.close()


def parse_dead_letter(value: bytes) -> dict[str, Any] | None:
    """Return a dead letter of a sequencer, with its ``job_id`` and ``_source_line``; None: it is something else."""
    try:
        letter = json.loads(value)
    except ValueError:
        return None
    if not isinstance(letter, dict) or not isinstance(letter.get("_source_line"), int) or "job_id" not in letter:
        return None
    return letter


def dead_letter_json(letter: DeadLetter, *, job_id: str, etag: str) -> bytes:
    """Return a dead letter as it stands in its topic."""
    record = {
        "job_id": job_id,
        "_source_line": letter.line,
        "_source_file": letter.source_file,
        "etag": etag,
        "reason": letter.reason,
        "row": letter.text,
    }
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
