"""How a job has read its files, as its checkpoint notes it, so that the proof reads them the same way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sequencer.errors import JobUsageError
from sequencer.source.decoding import FileHeader

DIALECTS = "dialects"
"""Key in a checkpoint's ``extra``: delimiter and encoding for each run of files that have the same."""
HEADER = "header"
"""Key in a checkpoint's ``extra``: the column names."""
_MOST_RUNS = 100
_MOST_HEADER_CHARACTERS = 32_768
"""An item of DynamoDB has 400 KB: more is not noted, and the proof says that it found nothing."""


@dataclass(frozen=True)
class FileDialect:
    """The delimiter, one ASCII character, and the encoding of a file as it is stored."""

    delimiter: str
    encoding: str

    @classmethod
    def of(cls, head: FileHeader) -> FileDialect:
        """Return how a file was read."""
        return cls(head.header.dialect.delimiter.decode("ascii"), head.source_encoding)

    def __str__(self) -> str:
        """Return both for people."""
        return f"delimiter {self.delimiter!r}, encoding {self.encoding}"


def describe_dialects(heads: Sequence[FileHeader]) -> dict[str, Any]:
    """Return what a checkpoint's ``extra`` notes of the files."""
    runs = [(dialect, len([*group])) for dialect, group in groupby(map(FileDialect.of, heads))]
    noted: dict[str, Any] = {}
    if len(runs) <= _MOST_RUNS:
        noted[DIALECTS] = [
            {"files": files, "delimiter": dialect.delimiter, "encoding": dialect.encoding} for dialect, files in runs
        ]
    columns = [*heads[0].columns]
    if len(json.dumps(columns)) <= _MOST_HEADER_CHARACTERS:
        noted[HEADER] = columns
    return noted


def read_dialects(extra: Mapping[str, Any]) -> list[FileDialect]:
    """Return the dialect of each file that a checkpoint's ``extra`` notes; empty where it notes none."""
    return [
        FileDialect(str(run["delimiter"]), str(run["encoding"]))
        for run in extra.get(DIALECTS, ())
        for _ in range(int(run["files"]))
    ]


def check_same_dialect(extra: Mapping[str, Any], heads: Sequence[FileHeader], *, job_id: str) -> None:
    """Check that a job reads its files as it did when it began.

    Args:
        extra: of the job's last checkpoint; empty for a job that begins.
        heads: of the files, as they are read now.
        job_id: for the text.

    Raises:
        JobUsageError: it does not: records before and after would have other fields.
    """
    noted = read_dialects(extra)
    for before, now in zip(noted, map(FileDialect.of, heads), strict=False):
        if before != now:
            raise JobUsageError(
                f"DELIMITER, ENCODING: the job {job_id} began with {before}, and is to resume with {now}: its records "
                "would differ from there on. Give it what it began with, or another JOB_ID and an empty partition"
            )
