"""The files of a job: what a specification stands for, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from sequencer.errors import SourceNotFoundError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Connect = Callable[[], "S3Client"]


class SourceFile(Protocol):
    """One file, which stays the same while a job reads it, or the job is told."""

    @property
    def name(self) -> str:
        """What ``_source_file`` says: ``s3://bucket/key``, or the path as it was given."""

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
            TryAgainError: it cannot be read, for longer than the retries last.
            BadRowError: what is packed is damaged.
        """

    def copy(self) -> Self:
        """Return the same file, read so far not at all."""


def open_sources(specs: Sequence[str], *, connect: Connect, retries: int) -> list[SourceFile]:
    """Return the files that ``specs`` stand for.

    Args:
        specs: ``s3://bucket/key``; ``s3://bucket/prefix/`` for all objects below it, in the order of their keys; a
            local file; a local directory for its files, in the order of their names.
        connect: makes the S3 client, where one is needed.
        retries: how often in a row a read may fail.

    Raises:
        SourceNotFoundError: there is nothing of that name.
        NotAllowedError: S3 refuses the credentials, or there are none.
        JobSettingsError: there cannot be such a bucket, or AWS's own configuration is wrong.
        TryAgainError: S3 does not answer.
    """
    files: list[SourceFile] = []
    for spec in specs:
        files += _s3_files(spec, connect, retries) if spec.startswith("s3://") else _local_files(spec)
    return files


def _s3_files(spec: str, connect: Connect, retries: int) -> Sequence[SourceFile]:
    from sequencer.aws_errors import making_client
    from sequencer.s3_source import find_objects

    bucket, _, key = spec.removeprefix("s3://").partition("/")
    if not bucket:
        raise SourceNotFoundError(f"{spec}: there is no bucket in it; s3://bucket/key, or s3://bucket/prefix/")
    with making_client("S3"):
        client = connect()
    return find_objects(client, bucket=bucket, key=key, retries=retries)


def _local_files(spec: str) -> Sequence[SourceFile]:
    from sequencer.local_source import LocalFile

    path = Path(spec)
    if path.is_dir():
        found = sorted(each for each in path.iterdir() if each.is_file())
        if not found:
            raise SourceNotFoundError(f"{spec}: the directory holds no files")
        return [LocalFile(str(each)) for each in found]
    if not path.is_file():
        raise SourceNotFoundError(f"{spec}: there is no such file")
    return [LocalFile(spec)]
