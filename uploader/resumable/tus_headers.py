"""The headers of tus 1.0 (https://tus.io/protocols/resumable-upload), read and checked."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate

from contracts.digests import CONTENT_DIGEST
from uploader.errors import UnsupportedMediaTypeError
from uploader.ingest.digest_fields import read_sha256
from uploader.resumable.errors import TusRequestError, TusVersionError

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination"
CHECKSUM_ALGORITHMS = ("sha256", "sha1")
CONTENT_TYPE = "application/offset+octet-stream"
UPLOAD_ID, UPLOAD_STATUS = "CSVPipe-Upload", "CSVPipe-Upload-Status"
"""Headers of ours: the id of the upload that a finished resumable upload has become, and the path of its status."""
REPLAYED = "Idempotency-Replayed"
"""Header of the response to a creation that has found an earlier upload with its Idempotency-Key."""
EXPOSED_HEADERS = (
    "Location",
    "Tus-Resumable",
    "Tus-Version",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Checksum-Algorithm",
    "Upload-Offset",
    "Upload-Length",
    "Upload-Defer-Length",
    "Upload-Metadata",
    "Upload-Expires",
    UPLOAD_ID,
    UPLOAD_STATUS,
    REPLAYED,
)
_NUMBER = re.compile(r"[0-9]{1,19}")
_UPLOAD_CHECKSUM = "Upload-Checksum"
_DIGEST_BYTES = {"sha256": 32, "sha1": 20}


@dataclass(frozen=True)
class Checksum:
    """The checksum of the body of one request, and the header that has it."""

    algorithm: str
    digest: bytes
    header: str = _UPLOAD_CHECKSUM


def check_version(headers: Mapping[str, str]) -> None:
    """Check that the client speaks our version.

    Raises:
        TusVersionError: it does not.
    """
    found = headers.get("tus-resumable")
    if found != VERSION:
        said = "is missing" if found is None else f"is {found[:20]!r}"
        raise TusVersionError(f"Tus-Resumable {said}: send Tus-Resumable: {VERSION}")


def check_content_type(headers: Mapping[str, str]) -> None:
    """Check that a body has the type of pieces of a file.

    Raises:
        UnsupportedMediaTypeError: it has not, or is encoded.
    """
    found = headers.get("content-type", "").split(";")[0].strip().lower()
    if found != CONTENT_TYPE:
        raise UnsupportedMediaTypeError(f"Content-Type must be {CONTENT_TYPE}, got {found[:100]!r}")
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise UnsupportedMediaTypeError(
            f"Content-Encoding {encoding[:40]!r} is not supported here: offsets count the bytes as they are sent"
        )


def read_number(headers: Mapping[str, str], name: str) -> int | None:
    """Return the number in a header, or None if the header is missing.

    Raises:
        TusRequestError: it is not a whole number.
    """
    value = headers.get(name.lower())
    if value is None:
        return None
    if not _NUMBER.fullmatch(value.strip()):
        raise TusRequestError(f"{name} must be a whole number of at most 19 digits, got {value[:40]!r}")
    return int(value)


def read_offset(headers: Mapping[str, str]) -> int:
    """Return ``Upload-Offset``.

    Raises:
        TusRequestError: it is missing or invalid.
    """
    offset = read_number(headers, "Upload-Offset")
    if offset is None:
        raise TusRequestError("Upload-Offset is missing: send the number of bytes that HEAD returned")
    return offset


def read_length(headers: Mapping[str, str]) -> int | None:
    """Return the size of the file to be created, or None if the client says that it follows later.

    Raises:
        TusRequestError: neither is said, or both.
    """
    length, deferred = read_number(headers, "Upload-Length"), headers.get("upload-defer-length")
    if deferred is not None and deferred != "1":
        raise TusRequestError(f"Upload-Defer-Length must be 1, got {deferred[:40]!r}")
    if (length is None) == (deferred is None):
        raise TusRequestError("send either Upload-Length, the size of the file in bytes, or Upload-Defer-Length: 1")
    return length


def read_checksum(headers: Mapping[str, str]) -> Checksum | None:
    """Return the checksum in ``Upload-Checksum`` or in ``Content-Digest`` (RFC 9530), or None if there is none.

    Raises:
        TusRequestError: ``Upload-Checksum`` is malformed, its algorithm is not supported, or both headers are there.
        InvalidDigestError: ``Content-Digest`` is malformed.
    """
    value, sha256 = headers.get("upload-checksum"), read_sha256(CONTENT_DIGEST, headers.get("content-digest"))
    if value is not None and sha256 is not None:
        raise TusRequestError(f"send either {_UPLOAD_CHECKSUM} or {CONTENT_DIGEST}, not both")
    if sha256 is not None:
        return Checksum("sha256", bytes.fromhex(sha256), CONTENT_DIGEST)
    return None if value is None else _parse_upload_checksum(value)


def _parse_upload_checksum(value: str) -> Checksum:
    algorithm, _, encoded = value.strip().partition(" ")
    if algorithm not in CHECKSUM_ALGORITHMS:
        raise TusRequestError(
            f"the algorithm of Upload-Checksum must be one of {', '.join(CHECKSUM_ALGORITHMS)}, got {algorithm[:40]!r}"
        )
    try:
        digest = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != _DIGEST_BYTES[algorithm]:
        raise TusRequestError(f"Upload-Checksum must be {algorithm}, a blank, and the digest in base64")
    return Checksum(algorithm, digest)


def http_date(timestamp_s: float) -> str:
    """Return a time in the form of ``Upload-Expires`` (RFC 9110, 5.6.7)."""
    return formatdate(timestamp_s, usegmt=True)
