"""One object of S3 at one version, read by ranges: every answer is checked, and a body that breaks off is resumed.

boto3 retries a request, never a body. A store, a cache or a gateway that does not honour the range asked for would give
other rows: nothing of such an answer is used.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from urllib3.exceptions import HTTPError

from contracts.counts import counted
from contracts.errors import SourceChangedError, StoppedError, StoreResponseError, TemporaryFailureError
from sequencer.aws.errors import code_of
from sequencer.aws.s3_errors import REQUEST_ERRORS, final_s3_error, has_no_reason
from sequencer.settings import Payer

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_log = logging.getLogger(__name__)
PIECE_BYTES = 512 * 1024
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 10.0
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})")
_NO_ENCODING = frozenset({"", "identity", "aws-chunked"})  # the last one is of the upload, and S3 keeps it
_LOOK = "Look at S3_ENDPOINT, and at what stands before it"


@dataclass(frozen=True, kw_only=True)
class ObjectVersion:
    """What one version of an object is known by.

    Attributes:
        size_bytes: its size.
        etag: its ETag as the store gives it, with quotes, and with ``W/`` where it is weak.
        encoding: its Content-Encoding; None: it is not known, as a listing has none.
    """

    size_bytes: int
    etag: str
    encoding: str | None = None

    @property
    def tag(self) -> str:
        """The opaque tag, by which weak ETags are compared (RFC 9110, 8.8.3.2)."""
        return opaque_tag(self.etag)

    @property
    def is_weak(self) -> bool:
        """Whether ``If-Match`` can never hold for it (RFC 9110, 13.1.1)."""
        return self.etag.startswith("W/")


class S3Reader:
    """Reads one object at one version.

    Args:
        client: of the object store.
        bucket, key: the object.
        version: what HEAD or a listing has told of it.
        retries: how often in a row a read may fail without a byte.
        payer: ``requester``: the account of the credentials pays.
    """

    def __init__(
        self, client: S3Client, *, bucket: str, key: str, version: ObjectVersion, retries: int, payer: Payer = ""
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._retries = retries
        self._payer = payer
        self.name = f"s3://{bucket}/{key}"
        self.version = version

    def read(self, begin: int, end: int, *, stop: threading.Event | None = None) -> Iterator[bytes]:
        """Give the bytes from ``begin`` up to ``end``, which is none of them, in pieces.

        Raises:
            SourceChangedError: it is not the object any more.
            StoreResponseError: what comes is not what was asked for.
            CsvPipeError: the store refuses for good.
            TemporaryFailureError: it broke off too often.
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
                self._check(error, byte=begin, failures=failures)
                _log.warning("%s broke off at byte %d: %s", self.name, begin, error)
                stop.wait(min(_FIRST_WAIT_S * 2 ** (failures - 1), _LONGEST_WAIT_S))

    def _pieces(self, begin: int, end: int, stop: threading.Event) -> Iterator[bytes]:
        """Ask once, and give what comes."""
        if stop.is_set():
            raise StoppedError
        wanted: dict[str, Any] = {"Bucket": self._bucket, "Key": self._key, "Range": f"bytes={begin}-{end - 1}"}
        if not self.version.is_weak:
            wanted["IfMatch"] = f'"{self.version.tag}"'
        answer = self._client.get_object(**wanted, **payer_argument(self._payer))
        with answer["Body"] as body:
            check_answer(answer, begin=begin, end=end, version=self.version, name=self.name)
            left = end - begin
            while left:
                piece = body.read(min(PIECE_BYTES, left))
                if not piece:
                    raise OSError(f"the body ended {counted(left, 'byte')} early")
                left -= len(piece)
                yield piece
                if stop.is_set():
                    raise StoppedError
            if body.read(1):  # without Content-Length, only the body tells that it goes on
                raise StoreResponseError(
                    f"{self.name}: more came than bytes {begin} to {end - 1}, which were asked for. {_LOOK}", byte=end
                )

    def _check(self, error: Exception, *, byte: int, failures: int) -> None:
        """Raise what is final."""
        final = final_s3_error(error, self.name)
        if final is not None:
            raise final from error
        if failures > self._retries:
            raise TemporaryFailureError(
                f"{self.name} cannot be read from byte {byte} on, after {counted(failures, 'try', 'tries')} in a row: "
                f"{error}",
                byte=byte,
            ) from error


def head_of(client: S3Client, *, bucket: str, key: str, payer: Payer = "") -> tuple[ObjectVersion, dict[str, str]]:
    """Return version and metadata of an object.

    An answer to HEAD has no body, and so no reason: where it refuses, a byte is asked for, whose answer has one.

    Raises:
        StoreResponseError: the answer lacks what it takes to read the object safely.
        ClientError, BotoCoreError, RecursionError: the store does not answer, or refuses.
    """
    try:
        answer = client.head_object(Bucket=bucket, Key=key, **payer_argument(payer))
    except ClientError as error:
        raise _reason(error, client, {"Bucket": bucket, "Key": key, **payer_argument(payer)}) from error
    size_bytes = answer.get("ContentLength")
    if size_bytes is None:
        raise StoreResponseError(f"s3://{bucket}/{key}: the answer to HEAD has no Content-Length. {_LOOK}")
    version = ObjectVersion(
        size_bytes=int(size_bytes),
        etag=checked_etag(answer.get("ETag"), f"s3://{bucket}/{key}"),
        encoding=answer.get("ContentEncoding", ""),
    )
    return version, answer.get("Metadata", {})


def _reason(error: ClientError, client: S3Client, wanted: dict[str, Any]) -> ClientError:
    """Return what GET answers where HEAD has refused without a reason; 404 needs none."""
    if not has_no_reason(error) or code_of(error) == "404":
        return error
    try:
        client.get_object(Range="bytes=0-0", **wanted)["Body"].close()
    except ClientError as told:
        return error if code_of(told) in {"416", "InvalidRange"} else told
    return error


def checked_etag(etag: str | None, name: str) -> str:
    """Return ``etag``.

    Raises:
        StoreResponseError: there is none.
    """
    if not etag or not opaque_tag(etag):
        raise StoreResponseError(
            f"{name} has no ETag: nobody would see that it is replaced while it is read, or before the job is resumed. "
            f"{_LOOK}, or copy the object to a store that gives ETags"
        )
    return etag


def opaque_tag(etag: str) -> str:
    """Return an ETag without its quotes, and without the mark of weak ones."""
    return etag.removeprefix("W/").strip('"')


def payer_argument(payer: Payer) -> dict[str, Any]:
    """Return what a request says of who pays for it."""
    return {"RequestPayer": payer} if payer else {}


def check_answer(answer: Mapping[str, Any], *, begin: int, end: int, version: ObjectVersion, name: str) -> None:
    """Check that an answer to GET holds the bytes from ``begin`` up to ``end`` of this version, unaltered.

    Raises:
        SourceChangedError: it is of another version.
        StoreResponseError: it is not what was asked for; both are named.
    """
    fault = _range_fault(answer, begin, end, version) or _length_fault(answer, end - begin, version)
    etag = answer.get("ETag") or ""
    if opaque_tag(etag) not in ("", version.tag):
        raise SourceChangedError(
            f"{name} is not the object any more that the job began with (its ETag is {etag}, and was {version.etag}); "
            "its rows may be others. Give the new one a job of its own, with another JOB_ID and an empty partition"
        )
    if not opaque_tag(etag):
        fault = fault or "the answer has no ETag, and HEAD's had one: whether it is the same object cannot be told"
    if fault:
        raise StoreResponseError(
            f"{name}: bytes {begin} to {end - 1} of {version.size_bytes} were asked for, and {fault}. Nothing of it "
            f"was used. {_LOOK}",
            byte=begin,
        )


def _range_fault(answer: Mapping[str, Any], begin: int, end: int, version: ObjectVersion) -> str | None:
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    if status == 200:
        whole = (begin, end) == (0, version.size_bytes)
        return None if whole else "the whole object came (status 200): the range is not honoured"
    if status != 206:
        return f"the answer has the status {status}"
    told = answer.get("ContentRange") or ""
    found = _CONTENT_RANGE.fullmatch(told.strip())
    if found is None:
        return f"the answer has no Content-Range that tells what it holds ({told!r})"
    if (int(found[1]), int(found[2])) != (begin, end - 1):
        return f"bytes {found[1]} to {found[2]} came"
    return None if int(found[3]) == version.size_bytes else f"the answer is of an object of {found[3]} bytes"


def _length_fault(answer: Mapping[str, Any], size: int, version: ObjectVersion) -> str | None:
    encodings, length = encodings_of(answer.get("ContentEncoding")), answer.get("ContentLength")
    if version.encoding is not None and encodings != encodings_of(version.encoding):
        was, now = (", ".join(each) or "none" for each in (encodings_of(version.encoding), encodings))
        return f"its Content-Encoding is {now}, where HEAD's was {was}: it was packed or unpacked on the way"
    if length is None:
        return "it was packed on the way (Content-Encoding without Content-Length)" if encodings else None
    return None if int(length) == size else f"{length} bytes came (Content-Length)"


def encodings_of(header: str | None) -> list[str]:
    """Return what a Content-Encoding names, but for what changes no bytes."""
    names = (name.strip().lower() for name in (header or "").split(","))
    return [name for name in names if name not in _NO_ENCODING]
