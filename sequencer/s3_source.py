"""Objects in S3 as sources: ranged GETs, some read ahead, each pinned to the ETag that the job began with.

botocore does not try a body again that breaks off: a range is asked for again from the byte on at which it broke.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from sequencer.aws_errors import final_error
from sequencer.decompress import PROBE_BYTES, Packing, packing_of, skip, unpack
from sequencer.errors import NotAllowedError, SequencerError, SourceChangedError, SourceNotFoundError, TryAgainError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_log = logging.getLogger(__name__)
FIRST_RANGE_BYTES = 256 * 1024
RANGE_BYTES = 4 * 1024 * 1024
RANGES_AHEAD = 4
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 10.0
_NOT_ALLOWED = frozenset({"401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
_NOT_FOUND = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})
_CHANGED = frozenset({"412", "PreconditionFailed", "416", "InvalidRange"})


class StoppedError(Exception):
    """The reading was given up; nobody sees this."""


class S3Object:
    """One object, at the version that its ETag stands for."""

    def __init__(self, client: S3Client, *, bucket: str, key: str, size_bytes: int, etag: str, retries: int) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._retries = retries
        self.name = f"s3://{bucket}/{key}"
        self.size_bytes = size_bytes
        self.etag = etag
        self.stored_bytes_read = 0
        self._known_packing: list[Packing | None] = []

    @property
    def compressed(self) -> bool:
        """Whether it is packed."""
        return self._packing is not None

    @property
    def _packing(self) -> Packing | None:
        if not self._known_packing:
            stop = threading.Event()
            first = self._get(0, min(PROBE_BYTES, self.size_bytes), stop) if self.size_bytes else b""
            self._known_packing.append(packing_of(first))
        return self._known_packing[0]

    def copy(self) -> S3Object:
        """Return the same object, read so far not at all."""
        return S3Object(
            self._client,
            bucket=self._bucket,
            key=self._key,
            size_bytes=self.size_bytes,
            etag=self.etag,
            retries=self._retries,
        )

    @contextmanager
    def open(self, start: int = 0) -> Iterator[Iterator[bytes]]:
        """Give the content from byte ``start`` on (see :class:`sequencer.source.SourceFile`)."""
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
            data = self._get(start, first_end - start, stop)
            self.stored_bytes_read += len(data)
            yield data
        begins = iter(range(first_end, self.size_bytes, RANGE_BYTES))
        ahead: deque[Future[bytes]] = deque()
        while True:
            while len(ahead) < RANGES_AHEAD and (begin := next(begins, None)) is not None:
                end = min(begin + RANGE_BYTES, self.size_bytes)
                ahead.append(pool.submit(self._get, begin, end - begin, stop))
            if not ahead:
                return
            data = ahead.popleft().result()
            self.stored_bytes_read += len(data)
            yield data

    def _get(self, begin: int, size: int, stop: threading.Event) -> bytes:
        """Return one range, however often its body breaks off, as long as some of it comes."""
        data = bytearray()
        failures = 0
        while len(data) < size:
            came = len(data)
            try:
                self._read_into(data, begin, size, stop)
            except (ClientError, BotoCoreError, HTTPError, OSError) as error:
                failures = 1 if len(data) > came else failures + 1
                self._check(error, byte=begin + len(data), failures=failures)
                _log.warning("%s broke off at byte %d: %s", self.name, begin + len(data), error)
                stop.wait(min(_FIRST_WAIT_S * 2 ** (failures - 1), _LONGEST_WAIT_S))
        return bytes(data)

    def _read_into(self, data: bytearray, begin: int, size: int, stop: threading.Event) -> None:
        answer = self._client.get_object(
            Bucket=self._bucket,
            Key=self._key,
            IfMatch=f'"{self.etag}"',
            Range=f"bytes={begin + len(data)}-{begin + size - 1}",
        )
        with answer["Body"] as body:
            while len(data) < size:
                if stop.is_set():
                    raise StoppedError
                piece = body.read(min(RANGE_BYTES // 8, size - len(data)))
                if not piece:
                    raise OSError("the body ended early")
                data += piece

    def _check(self, error: Exception, *, byte: int, failures: int) -> None:
        """Raise what is final."""
        final = error_of(error, self.name)
        if final is not None:
            raise final from error
        if failures > self._retries:
            raise TryAgainError(
                f"{self.name} cannot be read from byte {byte} on, after {failures} tries in a row: {error}", byte=byte
            ) from error


def find_objects(client: S3Client, *, bucket: str, key: str, retries: int) -> list[S3Object]:
    """Return the object ``key``, or, where that ends in a slash or is empty, all objects below it by their keys.

    Raises:
        SourceNotFoundError: there is none.
        NotAllowedError, TryAgainError: S3 refuses, or does not answer.
        JobSettingsError: there cannot be such a bucket.
    """
    try:
        if key and not key.endswith("/"):
            head = client.head_object(Bucket=bucket, Key=key)
            found = [(key, int(head["ContentLength"]), head["ETag"])]
        else:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
            found = [
                (each["Key"], int(each["Size"]), each["ETag"])
                for page in pages
                for each in page.get("Contents", ())
                if not each["Key"].endswith("/")  # what consoles make to show a folder
            ]
    except (ClientError, BotoCoreError) as error:
        raise error_of(error, f"s3://{bucket}/{key}") or TryAgainError(
            f"s3://{bucket}/{key}: S3 does not answer: {error}"
        ) from error
    if not found:
        raise SourceNotFoundError(f"s3://{bucket}/{key}: there are no objects below this prefix")
    return [
        S3Object(client, bucket=bucket, key=name, size_bytes=size, etag=etag.strip('"'), retries=retries)
        for name, size, etag in sorted(found)
    ]


def error_of(error: Exception, name: str) -> SequencerError | None:
    """Return what an answer of S3 means where it will be the same the next time."""
    if isinstance(error, BotoCoreError):
        return final_error(error, name)
    if not isinstance(error, ClientError):
        return None
    code = error.response["Error"]["Code"]
    if code in _CHANGED:
        return SourceChangedError(
            f"{name} is not the object any more that the job began with; its rows may be others. Give the new one a "
            "job of its own, with another JOB_ID and an empty partition"
        )
    if code in _NOT_FOUND:
        return SourceNotFoundError(f"{name}: there is no such object; look at bucket, key and S3_ENDPOINT")
    if code in _NOT_ALLOWED:
        return NotAllowedError(f"{name}: S3 refuses ({code}); it takes s3:GetObject, and s3:ListBucket for a prefix")
    return None
