"""The files of a job: what a specification stands for, in order."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from contracts.errors import SettingsError
from sequencer.errors import SourceNotFoundError
from sequencer.settings import Payer
from sequencer.source.leftovers import Leftovers
from sequencer.source.spec import check_spec, explaining

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_log = logging.getLogger(__name__)
_LONGEST_NAME = 500
_LONGEST_EMPTY_BYTES = 1024
"""A packed file without content has its frames only, and with gzip its name."""
Connect = Callable[[], "S3Client"]


class SourceFile(Protocol):
    """One file, which stays the same while a job reads it, or the job is told."""

    @property
    def name(self) -> str:
        """What ``_source_file`` says: ``s3://bucket/key``, or the path as it was given."""

    @property
    def place(self) -> object:
        """What is the same for the same file, by whatever path it is given."""

    @property
    def size_bytes(self) -> int:
        """Its size as stored."""

    @property
    def etag(self) -> str:
        """What changes with the content: the ETag, or size and time of a local file."""

    @property
    def compressed(self) -> bool:
        """Whether it has to be unpacked from its start to be read from the middle."""

    @property
    def stored_bytes_read(self) -> int:
        """How much of it, as stored, was read so far."""

    def open(self, start: int = 0) -> AbstractContextManager[Iterator[bytes]]:
        """Give the content, unpacked, from byte ``start`` of it on, in pieces of a few megabytes.

        Raises:
            SourceChangedError: it is not the file any more that it was.
            TemporaryFailureError: it cannot be read, for longer than the retries last.
            BadRowError: what is packed is damaged.
        """

    def copy(self) -> Self:
        """Return the same file, read so far not at all."""


def open_sources(specs: Sequence[str], *, connect: Connect, retries: int, payer: Payer = "") -> list[SourceFile]:
    """Return the files that ``specs`` stand for.

    Args:
        specs: ``s3://bucket/key``; ``s3://bucket/prefix/`` for all objects below it, in the order of their keys; a
            local file; a local directory for its files, in the order of their names. What other tools leave in a
            prefix or directory is none of them (:mod:`sequencer.source.leftovers`).
        connect: makes the S3 client, where one is needed.
        retries: how often in a row a read may fail.
        payer: ``requester``: the account of the credentials pays for the requests.

    Raises:
        JobUsageError: a specification is none.
        SourceNotFoundError: there is nothing of that name.
        NotAllowedError: S3 refuses the credentials, or there are none.
        SettingsError: a name is not UTF-8, there cannot be such a bucket, or AWS's own configuration is wrong.
        StoreResponseError: an object has no ETag.
        TemporaryFailureError: S3 does not answer.
    """
    files: list[SourceFile] = []
    for spec in specs:
        _check_name(spec)
        check_spec(spec)
        with explaining(spec):
            files += _s3_files(spec, connect, retries, payer) if spec.startswith("s3://") else _local_files(spec)
    for file in files:
        _check_name(file.name)
    _warn_of_same(files)
    return files


def _s3_files(spec: str, connect: Connect, retries: int, payer: Payer) -> Sequence[SourceFile]:
    from sequencer.aws.errors import making_client
    from sequencer.source.s3 import find_objects

    bucket, _, key = spec.removeprefix("s3://").partition("/")
    with making_client("S3"):
        client = connect()
    leftovers = Leftovers(spec)
    found = find_objects(client, bucket=bucket, key=key, retries=retries, payer=payer, leftovers=leftovers)
    return found if key and not key.endswith("/") else _filled(found, f"s3://{bucket}/{key}", leftovers, "objects")


def _local_files(spec: str) -> Sequence[SourceFile]:
    from sequencer.source.local import LocalFile

    path = Path(spec)
    try:
        if path.is_dir():
            leftovers = Leftovers(spec)
            listed = sorted(each for each in path.iterdir() if each.is_file())
            found = [LocalFile(str(each)) for each in listed if leftovers.admits(each.name, each.stat().st_size)]
            return _filled(found, f"{path}{os.sep}", leftovers, "files")
        if path.exists() and not path.is_file():
            raise SourceNotFoundError(
                f"{spec} is a pipe or a device, which cannot be read a second time; write what comes from it to a file"
            )
    except (OSError, ValueError) as error:  # the name may be too long, or a folder on its way closed
        raise SourceNotFoundError(
            f"{_shown(spec)}: {error.strerror if isinstance(error, OSError) else error}"
        ) from error
    return [LocalFile(spec)]


def _check_name(name: str) -> None:
    """Check that ``name`` can stand in the records.

    Raises:
        SettingsError: it cannot.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise SettingsError(
            f"SOURCE: the name {os.fsencode(name)!r} is not UTF-8, and stands in each record: rename the file"
        ) from error


def _shown(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."


def _filled(found: Sequence[SourceFile], base: str, leftovers: Leftovers, what: str) -> list[SourceFile]:
    """Return the files that have content once they are unpacked; Spark leaves empty parts packed, too."""
    filled = [each for each in found if leftovers.is_filled(each.name.removeprefix(base), filled=_has_content(each))]
    if not filled:
        raise SourceNotFoundError(f"{base}: {leftovers.nothing_left(what)}")
    leftovers.say()
    return filled


def _has_content(file: SourceFile) -> bool:
    if file.size_bytes > _LONGEST_EMPTY_BYTES or not file.compressed:
        return file.size_bytes > 0
    with file.open() as pieces:
        return any(pieces)


def _warn_of_same(files: Sequence[SourceFile]) -> None:
    """Say which files are given more than once, by whatever path: their rows are sent as often."""
    seen: dict[object, str] = {}
    for file in files:
        if file.place in seen:
            _log.warning("%r and %r are the same file: its rows are sent more than once", seen[file.place], file.name)
        seen.setdefault(file.place, file.name)
