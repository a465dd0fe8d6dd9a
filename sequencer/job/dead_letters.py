"""Dead letters: bad rows, sent once and before any row of their block."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contracts.record import SOURCE_FILE, SOURCE_LINE
from sequencer.job.dead_letter_topic import DeadLetterClients, DeadLetterSender
from sequencer.job.in_flight import InFlight
from sequencer.kafka.partition_reader import QUIET_S
from sequencer.kafka.producer_options import MAX_UNACKNOWLEDGED_RECORDS
from sequencer.kafka.sender import BATCH_BYTES
from sequencer.model.blocks import DeadLetter
from sequencer.model.records import Records

_log = logging.getLogger(__name__)


class DeadLetters:
    """Sends the dead letters of a job, except those that an earlier process has sent.

    Args:
        topic: opens the reader and the sender of the dead-letter topic, which other jobs may write to as well.
        job_id: part of each dead letter.
        etags: ETag of each file, by name; part of each dead letter, as another content has other bad rows.
        in_flight: tracks what is sent.

    Raises:
        StopRequestedError: a stop was requested.
        TopicError: the topic does not exist.
    """

    def __init__(self, topic: DeadLetterClients, *, job_id: str, etags: Mapping[str, str], in_flight: InFlight) -> None:
        self._topic = topic
        self._job_id = job_id
        self._etags = etags
        self._in_flight = in_flight
        self._sent: set[int] = set()
        self._reader = topic.open_reader()
        self._reader.ends()  # fails if the topic does not exist
        self._sender: DeadLetterSender | None = None

    def find_sent_lines(self) -> frozenset[int]:
        """Read which dead letters of the job the topic already holds; return their lines.

        The topic need not be idle, as other jobs write to it as well; only dead letters of this job matter. The caller
        holds the lease, so no other process of this job queues anything, and has waited for requests in flight
        (:meth:`DeadLetterTopic.wait_for_late_requests`). So the topic is read, and then what has arrived within another
        second, until that contains nothing of this job.
        """
        begin, high = self._reader.ends()
        _log.info(
            "Scanning the topic for dead letters of the job",
            extra={"job_id": self._job_id, "topic": self._topic.partition.topic, "records": high - begin},
        )
        self._read(begin, high)
        found = True
        while found:
            self._reader.wait(QUIET_S)
            begin, high = high, self._reader.ends()[1]
            found = self._read(begin, high)
        return frozenset(self._sent)

    def _read(self, begin: int, high: int) -> bool:
        """Collect the job's dead letters between two offsets; return whether there were any."""
        dead_letters = map(parse_dead_letter, self._reader.values(begin, high))
        lines = [each[SOURCE_LINE] for each in dead_letters if each is not None and self._is_ours(each)]
        self._sent.update(lines)
        return bool(lines)

    def _is_ours(self, dead_letter: dict[str, Any]) -> bool:
        name = dead_letter.get(SOURCE_FILE)
        return dead_letter["job_id"] == self._job_id and dead_letter.get("etag") == self._etags.get(str(name))

    def send(
        self, dead_lines: Sequence[DeadLetter], *, may_send: Callable[[], bool], until: Callable[[], bool]
    ) -> bool:
        """Send the dead letters that were not sent before, and wait until Kafka has acknowledged them.

        A block of bad rows may be far longer as dead letters, so they are sent in batches.

        Args:
            dead_lines: the bad rows of one block.
            may_send: called before each batch; False ends the sending.
            until: called while waiting for Kafka; True ends that.

        Returns:
            Whether Kafka has acknowledged all of them.

        Raises:
            CsvPipeError: sending has failed.
        """
        unsent = [each for each in dead_lines if each.line not in self._sent]
        if not unsent:
            return True
        sender = self._open_sender()
        records = Records.from_values(
            [dead_letter_json(each, job_id=self._job_id, etag=self._etags[each.source_file]) for each in unsent]
        )
        for begin, end in records.batch_bounds(max_records=MAX_UNACKNOWLEDGED_RECORDS, max_bytes=BATCH_BYTES):
            if not may_send():
                return False
            sender.send(records.slice(begin, end), last_line=unsent[end - 1].line, place=None)
            if not sender.drain(until=until):
                return False
            self._sent.update(each.line for each in unsent[begin:end])
        return True

    def _open_sender(self) -> DeadLetterSender:
        """Return the sender, which is opened when there is something to send."""
        if self._sender is None:
            self._sender = self._topic.open_sender()
            self._in_flight.track(self._sender)
        return self._sender

    def close(self) -> None:
        """Stop the client's threads."""
        self._reader.close()
        if self._sender is not None:
            self._sender.close()


def parse_dead_letter(value: bytes) -> dict[str, Any] | None:
    """Return a dead letter of a sequencer, with its ``job_id`` and ``_source_line``, or None for any other record."""
    try:
        record = json.loads(value)
    except ValueError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get(SOURCE_LINE), int) or "job_id" not in record:
        return None
    return record


def dead_letter_json(dead_line: DeadLetter, *, job_id: str, etag: str) -> bytes:
    """Return the record of a dead letter."""
    record = {
        "job_id": job_id,
        SOURCE_LINE: dead_line.line,
        SOURCE_FILE: dead_line.source_file,
        "etag": etag,
        "reason": dead_line.reason,
        "row": dead_line.text,
    }
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
