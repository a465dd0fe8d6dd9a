"""Comparison of the last record in the partition with the row that it must have come from."""

from __future__ import annotations

from dataclasses import replace

from sequencer.errors import ForeignRecordsError
from sequencer.kafka.partition_reader import LogRecord
from sequencer.model.blocks import EncodedBlock


class LastRecordCheck:
    """Compares the first record that is read again with the last record in the partition.

    Args:
        expected: the record in the partition, or None if there is nothing to compare.
    """

    def __init__(self, expected: LogRecord | None) -> None:
        self._expected = expected

    @property
    def is_pending(self) -> bool:
        """Whether a record was expected and not compared yet."""
        return self._expected is not None

    def without_known_record(self, encoded: EncodedBlock) -> EncodedBlock:
        """Return the part of a block that is to be sent: without its first record if the partition holds it.

        Raises:
            ForeignRecordsError: the partition holds another record for that row.
        """
        expected, self._expected = self._expected, None
        if expected is None:
            return encoded
        records, lines = encoded.records, encoded.lines
        if not records or lines[0] != expected.line or next(iter(records)) != expected.value:
            raise _mismatch(expected)
        return replace(encoded, records=records.slice(1, len(records)), lines=lines[1:])

    def check_compared(self) -> None:
        """Check, at the end of the source, that the expected record was compared.

        Raises:
            ForeignRecordsError: the source ended before its row.
        """
        if self._expected is not None:
            raise _mismatch(self._expected)


def _mismatch(expected: LogRecord) -> ForeignRecordsError:
    return ForeignRecordsError(
        f"offset {expected.offset} of the partition holds row {expected.line} of {expected.source_file}, which differs "
        "from that row of the source: the record is of another source with this name, or was made with another schema. "
        "Use an empty partition, or start after its records with --append",
        offset=expected.offset,
        row=expected.line,
    )
