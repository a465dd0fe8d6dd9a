"""Reads one version of an S3 object by ranges: checks every answer, and resumes a body that breaks off.

boto3 retries requests, but not bodies. A store, cache or gateway that ignores the requested range would return other
rows, so an answer is used only if it has exactly the requested bytes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from urllib3.exceptions import HTTPError

from aws.answer_check import check_answer
from aws.encryption import UNENCRYPTED, Encryption
from aws.endpoint_settings import EndpointSettings
from aws.object_version import LOOK_AT_ENDPOINT, ObjectVersion
from aws.payer import Payer, payer_argument
from aws.s3_errors import REQUEST_ERRORS, final_s3_error
from contracts.backoff import Backoff
from contracts.errors import StoppedError, StoreResponseError, TemporaryFailureError
from contracts.number_text import counted

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_log = logging.getLogger(__name__)
PIECE_BYTES = 512 * 1024
BACKOFF = Backoff(0.2, 10.0)


class S3Reader:
    """Reads one version of an object.

    Args:
        client: client of the object store.
        bucket, key: the object.
        version: the version according to HEAD or a listing.
        settings: names of the caller's settings, for errors.
        retries: number of consecutive failures without a byte after which the reading is retried.
        payer: who pays for the requests.
        encryption: encryption of the object; only a customer key matters.
        piece_bytes: maximum size of the pieces that :meth:`read` yields.
        backoff: waits between retries.
    """

    def __init__(
        self,
        client: S3Client,
        *,
        bucket: str,
        key: str,
        version: ObjectVersion,
        settings: EndpointSettings,
        retries: int,
        payer: Payer = "",
        encryption: Encryption = UNENCRYPTED,
        piece_bytes: int = PIECE_BYTES,
        backoff: Backoff = BACKOFF,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._settings = settings
        self._retries = retries
        self._arguments = {**payer_argument(payer), **encryption.read_arguments()}
        self._piece_bytes = piece_bytes
        self._backoff = backoff
        self.name = f"s3://{bucket}/{key}"
        self.version = version

    def read(self, begin: int, end: int, *, stop: threading.Event | None = None) -> Iterator[bytes]:
        """Yield the bytes from ``begin`` up to ``end`` (exclusive) in pieces.

        Raises:
            SourceChangedError: the object was replaced.
            StoreResponseError: an answer does not have the requested bytes.
            CsvPipeError: the store refuses the request.
            TemporaryFailureError: the retries are used up.
            StoppedError: ``stop`` was set.
        """
        stop = stop or threading.Event()
        failures = 0
        while begin < end:
            try:
                for piece in self._pieces(begin, end, stop):
                    begin, failures = begin + len(piece), 0
                    yield piece
            except (*REQUEST_ERRORS, HTTPError, OSError) as error:
                failures += 1
                self._raise_final(error, byte=begin, failures=failures)
                _log.warning(
                    "Reading broke off and is resumed",
                    extra={"path": self.name, "offset": begin, "attempt": failures, "error": str(error)},
                )
                stop.wait(self._backoff.wait_s(failures))

    def _pieces(self, begin: int, end: int, stop: threading.Event) -> Iterator[bytes]:
        """Send one request, and yield its body."""
        if stop.is_set():
            raise StoppedError
        wanted: dict[str, Any] = {"Bucket": self._bucket, "Key": self._key, "Range": f"bytes={begin}-{end - 1}"}
        if not self.version.is_weak:
            wanted["IfMatch"] = f'"{self.version.tag}"'
        answer = self._client.get_object(**wanted, **self._arguments)
        with answer["Body"] as body:
            check_answer(answer, begin=begin, end=end, version=self.version, name=self.name)
            left = end - begin
            while left:
                piece = body.read(min(self._piece_bytes, left))
                if not piece:
                    raise OSError(f"the body ended {counted(left, 'byte')} early")
                left -= len(piece)
                yield piece
                if stop.is_set():
                    raise StoppedError
            if body.read(1):  # without Content-Length only the body shows that it is longer
                raise StoreResponseError(
                    f"{self.name}: more came than the requested bytes {begin} to {end - 1}. {LOOK_AT_ENDPOINT}",
                    byte=end,
                )

    def _raise_final(self, error: Exception, *, byte: int, failures: int) -> None:
        """Raise if another try would not help."""
        final = final_s3_error(error, self.name, self._settings)
        if final is not None:
            raise final from error
        if failures > self._retries:
            raise TemporaryFailureError(
                f"{self.name} cannot be read from byte {byte} on, after {counted(failures, 'try', 'tries')} in a row: "
                f"{error}",
                byte=byte,
            ) from error
