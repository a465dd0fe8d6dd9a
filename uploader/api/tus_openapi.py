"""Descriptions of the headers, bodies and problems of ``/files``, for OpenAPI."""

from __future__ import annotations

from typing import Any

from uploader.errors import (
    DigestMismatchError,
    DiskFailedError,
    DiskFullError,
    FileTooLargeError,
    IdempotencyConflictError,
    InvalidCsvError,
    InvalidDigestError,
    InvalidFieldError,
    ManifestLostError,
    ManifestUnavailableError,
    ReplicaUnavailableError,
    TooManyChunksError,
    TooManyOpenFilesError,
    TooManyUploadsError,
    TooManyUploadsOfKeyError,
    UnsupportedMediaTypeError,
    UploadNotFoundError,
    UploadStalledError,
)
from uploader.resumable import tus_headers
from uploader.resumable.errors import (
    ChecksumMismatchError,
    ResumableUploadGoneError,
    ResumableUploadRefusedError,
    TusRequestError,
    TusVersionError,
    UploadSupersededError,
)

TUS_RESUMABLE = {
    "name": "Tus-Resumable",
    "in": "header",
    "required": True,
    "description": "Version of the protocol",
    "schema": {"type": "string", "enum": [tus_headers.VERSION]},
}


def _header(name: str, description: str, *, required: bool = False, **rules: str) -> dict[str, Any]:
    schema = {"type": "string", **rules}
    return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}


_NUMBER, _ONE = "^[0-9]{1,19}$", "^1$"
UPLOAD_METADATA = _header(
    "Upload-Metadata",
    "The fields of `POST /upload/csv`, `filename`, and `sha256` of the file if it is known: pairs separated by commas, "
    "each a key, a blank and its value in base64",
    required=True,
    format="upload-metadata",
)
REPR_DIGEST = _header(
    "Repr-Digest",
    "SHA-256 of the file (RFC 9530), instead of `sha256` in `Upload-Metadata`; if it differs, nothing is kept",
    format="http-digest",
)
CHECKSUMS = [
    _header(
        "Upload-Checksum",
        "`sha256` or `sha1`, a blank, and the digest of the body in base64; if it differs, none is kept",
        format="upload-checksum",
    ),
    _header(
        "Content-Digest",
        "SHA-256 of the body (RFC 9530), instead of `Upload-Checksum`; if it differs, none is kept",
        format="http-digest",
    ),
]
LENGTHS = [
    _header("Upload-Length", "Size of the file in bytes", pattern=_NUMBER),
    _header("Upload-Defer-Length", "`1` if the size is not known yet", pattern=_ONE),
]
OFFSET = _header("Upload-Offset", "Number of bytes that precede the body", required=True, pattern=_NUMBER)
TOLD_HEADERS: dict[str, Any] = {
    "Upload-Offset": {"description": "Number of durable bytes", "schema": {"type": "integer"}},
    "Upload-Expires": {"description": "When the upload is removed if no byte comes", "schema": {"type": "string"}},
    tus_headers.UPLOAD_ID: {
        "description": "Id of the upload that the finished file has become",
        "schema": {"type": "string"},
    },
    tus_headers.UPLOAD_STATUS: {"description": "Path of its status", "schema": {"type": "string"}},
}
CREATED: dict[int | str, dict[str, Any]] = {
    201: {
        "headers": {
            "Location": {"description": "Where the bytes go", "schema": {"type": "string"}},
            tus_headers.REPLAYED: {
                "description": "`true` if an unfinished upload has the `Idempotency-Key` already",
                "schema": {"type": "string"},
            },
            **TOLD_HEADERS,
        }
    }
}
BYTES = {tus_headers.CONTENT_TYPE: {"schema": {"type": "string", "format": "binary"}}}
UNAVAILABLE = (
    ManifestUnavailableError,
    ManifestLostError,
    TooManyOpenFilesError,
    ReplicaUnavailableError,
    DiskFullError,
    DiskFailedError,
)
CONTENT = (InvalidCsvError, DigestMismatchError, IdempotencyConflictError, FileTooLargeError, TooManyChunksError)
NOT_THERE = (UploadNotFoundError, ResumableUploadGoneError, ResumableUploadRefusedError)
RECEIVING = (
    TusRequestError,
    TusVersionError,
    UnsupportedMediaTypeError,
    InvalidDigestError,
    ChecksumMismatchError,
    UploadStalledError,
    InvalidFieldError,
    TooManyUploadsOfKeyError,
    TooManyUploadsError,
    UploadSupersededError,
)
