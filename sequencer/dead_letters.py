"""The topic that bad rows go to: told before any row of their block is sent, and told once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from sequencer.batch import Records
from sequencer.log import PartitionLog
from sequencer.model import DeadLetter
from sequencer.producer import Sender, producer_config

_PARTITION = 0


class DeadLetters:
    """Sends the dead letters of a job, but for those that an earlier process has sent.

    Args:
        client: librdkafka's configuration of the connection.
        topic: the dead-letter topic; other jobs may write to it as well.
        job_id: stands in each letter.
        compression, delivery_timeout_s, expiry_s: as for the records.

    Raises:
        TopicError: there is no such topic.
    """

    def __init__(
        self,
        client: dict[str, Any],
        *,
        topic: str,
        job_id: str,
        compression: str,
        delivery_timeout_s: float,
        expiry_s: float,
    ) -> None:
        self._job_id = job_id
        self._sent_upto = 0
        self._log = PartitionLog(client, topic=topic, partition=_PARTITION)
        self._log.ends()  # is it there?
        self._topic = topic
        self._delivery_timeout_s = delivery_timeout_s
        self._config = producer_config(client, compression=compression, expiry_s=expiry_s)
        self._sender: Sender | None = None

    def settle(self) -> int:
        """Find out which of the job's letters are there already; return the line of the last one, 0 for none."""
        low, high = self._log.ends()
        if low < high:
            for value in self._log.values(low, high):
                letter = json.loads(value)
                if letter.get("job_id") == self._job_id:
                    self._sent_upto = max(self._sent_upto, int(letter["_source_line"]))
        return self._sent_upto

    def send(self, letters: Sequence[DeadLetter], *, until: Callable[[], bool]) -> bool:
        """Send what was not sent before, and wait until Kafka has it; False: ``until`` said so first.

        Raises:
            SequencerError: it could not be sent.
        """
        news = [letter for letter in letters if letter.line > self._sent_upto]
        if not news:
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
        values = [dead_letter_json(letter, job_id=self._job_id) for letter in news]
        self._sender.send(Records.of(values), last_line=news[-1].line, place=None)
        if not self._sender.drain(until=until):
            return False
        self._sent_upto = news[-1].line
        return True

    def close(self) -> None:
        """End the client's threads."""
        self._log.close()
        if self._sender is not None:
            self._sender.close()


def dead_letter_json(letter: DeadLetter, *, job_id: str) -> bytes:
    """Return a dead letter as it stands in its topic."""
    record = {
        "job_id": job_id,
        "_source_line": letter.line,
        "_source_file": letter.source_file,
        "reason": letter.reason,
        "row": letter.text,
    }
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
