"""The exit codes of every command of this project."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a script may branch on.

    2 is the convention of click and argparse; the numbers from 64 up are those of BSD's ``sysexits.h``.
    """

    OK = 0
    CHECK_FAILED = 1
    """A chunk failed, a verification found a mismatch, or a step failed."""
    USAGE = 2
    """The command line is wrong, or its options exclude each other."""
    INVALID_INPUT = 65
    """The file, a row or a field is not accepted; the same request fails again."""
    SOURCE_MISSING = 66
    """The source does not exist, or is no longer the one that the job started with."""
    UNAVAILABLE = 69
    """A service cannot be reached."""
    INTERNAL = 70
    """An unexpected error."""
    TOPIC_MISSING = 73
    """The topic or the partition does not exist."""
    DATA_LOST = 74
    """Kafka no longer holds records that it had acknowledged."""
    TEMPORARY_FAILURE = 75
    """Run the same command again."""
    PROTOCOL = 76
    """A peer broke an agreement: an unexpected response of the object store, or another writer in the partition."""
    PERMISSION_DENIED = 77
    """A service refuses the credentials."""
    CONFIGURATION = 78
    """A setting is missing or invalid, or a package is not installed."""


INTERRUPTED = 130
"""What shells, and typer, return for a program that Ctrl-C has ended: 128 and the number of the signal."""
