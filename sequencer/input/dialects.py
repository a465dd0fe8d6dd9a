"""How a job reads its files, as its checkpoint records it, so that a verification reads them the same way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from sequencer.errors import JobUsageError
from sequencer.model.checkpoint import Checkpoint, DialectRun
from sequencer.source.decoding import FileHeader

_MAX_RUNS = 100
_MAX_HEADER_CHARACTERS = 32_768
"""A DynamoDB item is limited to 400 KB: beyond these nothing is recorded, and the verification reports that."""


@dataclass(frozen=True)
class FileDialect:
    """The delimiter, one ASCII character, and the encoding of a file as stored."""

    delimiter: str
    encoding: str

    @classmethod
    def of(cls, head: FileHeader) -> FileDialect:
        """Return how a file was read."""
        return cls(head.header.dialect.delimiter.decode("ascii"), head.source_encoding)

    def __str__(self) -> str:
        """Return both for people."""
        return f"delimiter {self.delimiter!r}, encoding {self.encoding}"


def dialect_runs(headers: Sequence[FileHeader]) -> tuple[DialectRun, ...]:
    """Return the dialects to record in a checkpoint; empty if there are too many."""
    runs = [(dialect, len([*group])) for dialect, group in groupby(map(FileDialect.of, headers))]
    if len(runs) > _MAX_RUNS:
        return ()
    return tuple(DialectRun(files, dialect.delimiter, dialect.encoding) for dialect, files in runs)


def recorded_header(headers: Sequence[FileHeader]) -> tuple[str, ...]:
    """Return the column names to record in a checkpoint; empty if they are too long."""
    columns = tuple(headers[0].columns)
    return columns if len(json.dumps(columns)) <= _MAX_HEADER_CHARACTERS else ()


def recorded_dialects(checkpoint: Checkpoint | None) -> list[FileDialect]:
    """Return the dialect of each file as recorded in a checkpoint; empty if it records none."""
    runs = checkpoint.dialects if checkpoint else ()
    return [FileDialect(run.delimiter, run.encoding) for run in runs for _ in range(run.files)]


def check_same_dialect(checkpoint: Checkpoint | None, headers: Sequence[FileHeader]) -> None:
    """Check that a job reads its files as it did when it started.

    Args:
        checkpoint: the job's last checkpoint, or None for a new job.
        headers: headers of the files, as they are read now.

    Raises:
        JobUsageError: a file would be read differently, so later records would have other fields.
    """
    for before, now in zip(recorded_dialects(checkpoint), map(FileDialect.of, headers), strict=False):
        if checkpoint is not None and before != now:
            raise JobUsageError(
                f"DELIMITER, ENCODING: job {checkpoint.job_id} was started with {before} and cannot resume with {now}: "
                "later records would differ. Restore the original values, or use a new JOB_ID and an empty partition"
            )
