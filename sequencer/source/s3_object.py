"""Objects in S3 as sources: ranged GETs, some read ahead, each of the version that the job started with."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from aws.endpoint_settings import EndpointSettings
from aws.object_head import head_object
from aws.object_version import ObjectVersion, require_etag
from aws.payer import Payer, payer_argument
from aws.s3_errors import REQUEST_ERRORS, final_s3_error
from aws.s3_reader import BACKOFF, PIECE_BYTES, S3Reader
from contracts.backoff import Backoff
from contracts.errors import SourceNotFoundError, TemporaryFailureError
from csvscan import COMPRESSION_PROBE_BYTES, Compression, detect_compression
from sequencer.source.compression import decompress, skip
from sequencer.source.leftovers import Leftovers

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_log = logging.getLogger(__name__)
FIRST_RANGE_BYTES = 512 * 1024
"""More than a header and the 256 KiB of rows after it that show the delimiter."""
RANGE_BYTES = 4 * 1024 * 1024
RANGES_AHEAD = 4
S3_SETTINGS = EndpointSettings(address="S3_ENDPOINT", ca="S3_CA_FILE", payer="S3_REQUEST_PAYER")


@dataclass(frozen=True, kw_only=True)
class S3Options:
    """How objects are read.

    Attributes:
        connect: creates the client; called once for each specification of a source.
        retries: number of consecutive failures of a read that are retried.
        payer: who pays for the requests.
        first_range_bytes: size of the first GET, which usually holds the header and the rows that show the delimiter.
        range_bytes: size of the others.
        piece_bytes: size of the pieces in which a body is read.
        backoff: waits between retries.
    """

    connect: Callable[[], S3Client]
    retries: int
    payer: Payer = ""
    first_range_bytes: int = FIRST_RANGE_BYTES
    range_bytes: int = RANGE_BYTES
    piece_bytes: int = PIECE_BYTES
    backoff: Backoff = BACKOFF


class S3Object:
    """One version of an object, a :class:`sequencer.source.source_file.SourceFile`."""

    def __init__(self, reader: S3Reader, options: S3Options) -> None:
        self._reader = reader
        self._options = options
        self.name = self.place = reader.name
        self.size_bytes = reader.version.size_bytes
        self.etag = reader.version.tag
        self.stored_bytes_read = 0

    @property
    def compressed(self) -> bool:
        """Whether it is compressed."""
        return self._compression is not None

    @cached_property
    def _compression(self) -> Compression | None:
        return detect_compression(b"".join(self._reader.read(0, min(COMPRESSION_PROBE_BYTES, self.size_bytes))))

    def copy(self) -> S3Object:
        """Return the same object with its own counter of bytes read."""
        return S3Object(self._reader, self._options)

    @contextmanager
    def open(self, start: int = 0) -> Iterator[Iterator[bytes]]:
        """Yield the content from byte ``start`` on (see :class:`sequencer.source.source_file.SourceFile`)."""
        compression = self._compression
        stop = threading.Event()
        with ThreadPoolExecutor(RANGES_AHEAD, thread_name_prefix="s3") as pool:
            try:
                if compression is None:
                    yield self._ranges(start, pool, stop)
                else:
                    yield skip(decompress(self._ranges(0, pool, stop), compression, name=self.name), start)
            finally:
                stop.set()

    def _ranges(self, start: int, pool: ThreadPoolExecutor, stop: threading.Event) -> Iterator[bytes]:
        """Yield the ranges in order while the next ones are requested."""
        self.stored_bytes_read = start
        first_end = min(start + self._options.first_range_bytes, self.size_bytes)
        if start < first_end:  # without the next ones: a caller that reads the header needs no more
            data = self._get(start, first_end, stop)
            self.stored_bytes_read += len(data)
            yield data
        range_bytes = self._options.range_bytes
        begins = iter(range(first_end, self.size_bytes, range_bytes))
        ahead: deque[Future[bytes]] = deque()
        while True:
            while len(ahead) < RANGES_AHEAD and (begin := next(begins, None)) is not None:
                ahead.append(pool.submit(self._get, begin, min(begin + range_bytes, self.size_bytes), stop))
            if not ahead:
                return
            data = ahead.popleft().result()
            self.stored_bytes_read += len(data)
            yield data

    def _get(self, begin: int, end: int, stop: threading.Event) -> bytes:
        """Return a whole range, so that no part of an invalid answer is used."""
        return b"".join(self._reader.read(begin, end, stop=stop))


def find_objects(
    client: S3Client, *, bucket: str, key: str, options: S3Options, leftovers: Leftovers
) -> list[S3Object]:
    """Return the object ``key``, or all objects below it, sorted by key, if it ends in a slash or is empty.

    Args:
        client: client of the object store.
        bucket: bucket of the objects.
        key: key of the object, or prefix of the keys.
        options: how the objects are read.
        leftovers: collects the objects below a prefix that are skipped.

    Raises:
        SourceNotFoundError: there is none.
        StoreResponseError: an object has no ETag.
        NotAllowedError, TemporaryFailureError: S3 refuses, or does not answer.
        SettingsError: the name of the bucket is not valid.
    """
    name = f"s3://{bucket}/{key}"
    try:
        if key and not key.endswith("/"):
            found = {key: head_object(client, bucket=bucket, key=key, payer=options.payer).version}
        else:
            found = _list(client, bucket, key, options.payer, leftovers)
    except REQUEST_ERRORS as error:
        unavailable = TemporaryFailureError(f"{name}: S3 does not answer: {error}")
        raise final_s3_error(error, name, S3_SETTINGS) or unavailable from error
    if weak := [each for each, version in found.items() if version.is_weak]:
        _log.warning(
            "ETags are weak and cannot be used with If-Match; the ETag of each answer is compared instead",
            extra={"path": name, "weak_objects": len(weak), "objects": len(found)},
        )
    return [S3Object(_reader(client, bucket, each, found[each], options), options) for each in sorted(found)]


def _reader(client: S3Client, bucket: str, key: str, version: ObjectVersion, options: S3Options) -> S3Reader:
    return S3Reader(
        client,
        bucket=bucket,
        key=key,
        version=version,
        settings=S3_SETTINGS,
        retries=options.retries,
        payer=options.payer,
        piece_bytes=options.piece_bytes,
        backoff=options.backoff,
    )


def _list(client: S3Client, bucket: str, prefix: str, payer: Payer, leftovers: Leftovers) -> dict[str, ObjectVersion]:
    """Return the objects below a prefix that are read."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **payer_argument(payer))
    listed = (each for page in pages for each in page.get("Contents", ()))
    found = {
        each["Key"]: ObjectVersion(size_bytes=int(each["Size"]), etag=each.get("ETag", ""))
        for each in listed
        if leftovers.admits(each["Key"].removeprefix(prefix), int(each["Size"]))
    }
    for key, version in found.items():
        require_etag(version.etag, f"s3://{bucket}/{key}")
    if not found:
        raise SourceNotFoundError(f"s3://{bucket}/{prefix}: {leftovers.nothing_left('objects')}")
    return found
