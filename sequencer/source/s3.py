"""Objects in S3 as sources: ranged GETs, some read ahead, each of the version that the job began with."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from contracts.errors import TemporaryFailureError
from sequencer.aws.s3_errors import REQUEST_ERRORS, final_s3_error
from sequencer.errors import SourceNotFoundError
from sequencer.settings import Payer
from sequencer.source.compression import PROBE_BYTES, Packing, packing_of, skip, unpack
from sequencer.source.leftovers import Leftovers
from sequencer.source.s3_reader import ObjectVersion, S3Reader, checked_etag, head_of, payer_argument

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_log = logging.getLogger(__name__)
FIRST_RANGE_BYTES = 256 * 1024
RANGE_BYTES = 4 * 1024 * 1024
RANGES_AHEAD = 4


class S3Object:
    """One object, at the version that ``reader`` reads."""

    def __init__(self, reader: S3Reader) -> None:
        self._reader = reader
        self.name = self.place = reader.name
        self.size_bytes = reader.version.size_bytes
        self.etag = reader.version.tag
        self.stored_bytes_read = 0
        self._known_packing: list[Packing | None] = []

    @property
    def compressed(self) -> bool:
        """Whether it is packed."""
        return self._packing is not None

    @property
    def _packing(self) -> Packing | None:
        if not self._known_packing:
            first = b"".join(self._reader.read(0, min(PROBE_BYTES, self.size_bytes)))
            self._known_packing.append(packing_of(first))
        return self._known_packing[0]

    def copy(self) -> S3Object:
        """Return the same object, read so far not at all."""
        return S3Object(self._reader)

    @contextmanager
    def open(self, start: int = 0) -> Iterator[Iterator[bytes]]:
        """Give the content from byte ``start`` on (see :class:`sequencer.source.files.SourceFile`)."""
        packing = self._packing
        stop = threading.Event()
        with ThreadPoolExecutor(RANGES_AHEAD, thread_name_prefix="s3") as pool:
            try:
                if packing is None:
                    yield self._ranges(start, pool, stop)
                else:
                    yield skip(unpack(self._ranges(0, pool, stop), packing, name=self.name), start)
            finally:
                stop.set()

    def _ranges(self, start: int, pool: ThreadPoolExecutor, stop: threading.Event) -> Iterator[bytes]:
        """Give the ranges in order, while the next ones are under way."""
        self.stored_bytes_read = start
        first_end = min(start + FIRST_RANGE_BYTES, self.size_bytes)
        if start < first_end:  # alone: whoever wants the header wants no more
            data = self._get(start, first_end, stop)
            self.stored_bytes_read += len(data)
            yield data
        begins = iter(range(first_end, self.size_bytes, RANGE_BYTES))
        ahead: deque[Future[bytes]] = deque()
        while True:
            while len(ahead) < RANGES_AHEAD and (begin := next(begins, None)) is not None:
                ahead.append(pool.submit(self._get, begin, min(begin + RANGE_BYTES, self.size_bytes), stop))
            if not ahead:
                return
            data = ahead.popleft().result()
            self.stored_bytes_read += len(data)
            yield data

    def _get(self, begin: int, end: int, stop: threading.Event) -> bytes:
        """Return one range as a whole, so that nothing of a wrong answer is given on."""
        return b"".join(self._reader.read(begin, end, stop=stop))


def find_objects(
    client: S3Client, *, bucket: str, key: str, retries: int, payer: Payer = "", leftovers: Leftovers
) -> list[S3Object]:
    """Return the object ``key``, or, where that ends in a slash or is empty, all objects below it by their keys.

    Args:
        client: of the object store.
        bucket: its bucket.
        key: of the object, or what the keys begin with.
        retries: how often in a row a read may fail.
        payer: who pays for the requests.
        leftovers: takes the objects below a prefix that are not read.

    Raises:
        SourceNotFoundError: there is none.
        StoreResponseError: an object has no ETag.
        NotAllowedError, TemporaryFailureError: S3 refuses, or does not answer.
        SettingsError: there cannot be such a bucket.
    """
    name = f"s3://{bucket}/{key}"
    try:
        if key and not key.endswith("/"):
            found = {key: head_of(client, bucket=bucket, key=key, payer=payer)[0]}
        else:
            found = _listed(client, bucket, key, payer, leftovers)
    except REQUEST_ERRORS as error:
        raise final_s3_error(error, name) or TemporaryFailureError(f"{name}: S3 does not answer: {error}") from error
    if weak := [each for each, version in found.items() if version.is_weak]:
        _log.warning(
            "%s: the ETags are weak, for which If-Match cannot be used: that of each answer is compared instead (%d of "
            "%d objects)",
            name,
            len(weak),
            len(found),
        )
    return [
        S3Object(S3Reader(client, bucket=bucket, key=each, version=found[each], retries=retries, payer=payer))
        for each in sorted(found)
    ]


def _listed(client: S3Client, bucket: str, prefix: str, payer: Payer, leftovers: Leftovers) -> dict[str, ObjectVersion]:
    """Return the objects below a prefix that are read."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **payer_argument(payer))
    listed = (each for page in pages for each in page.get("Contents", ()))
    found = {
        each["Key"]: ObjectVersion(size_bytes=int(each["Size"]), etag=each.get("ETag", ""))
        for each in listed
        if leftovers.admits(each["Key"].removeprefix(prefix), int(each["Size"]))
    }
    for key, version in found.items():
        checked_etag(version.etag, f"s3://{bucket}/{key}")
    if not found:
        raise SourceNotFoundError(f"s3://{bucket}/{prefix}: {leftovers.nothing_left('objects')}")
    return found
