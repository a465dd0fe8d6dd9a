"""What is known of an upload before a byte of its body is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from contracts.digests import CONTENT_DIGEST, REPR_DIGEST
from uploader.errors import UnsupportedMediaTypeError
from uploader.ingest.digest_fields import read_sha256
from uploader.ingest.form_fields import FormFields
from uploader.ingest.multipart import parse_boundary
from uploader.ingest.size_limits import SizeLimit, check_content_length
from uploader.settings import Settings


@dataclass(frozen=True, kw_only=True)
class UploadHead:
    """The head of an upload that was found acceptable."""

    boundary: bytes
    fields: FormFields
    """The fields in the query; those of the form are added to them."""
    length_bytes: int | None
    """Size of the body, or None if the request does not say."""
    size_limit: SizeLimit
    file_sha256: str | None
    """SHA-256 of the file as it is sent, by Repr-Digest."""
    body_sha256: str | None
    """SHA-256 of the body, by Content-Digest."""


def read_upload_head(
    *,
    headers: Mapping[str, str],
    query: Iterable[tuple[str, str]],
    settings: Settings,
    size_limit: SizeLimit,
    check_dataset: Callable[[str], None] = lambda _: None,
) -> UploadHead:
    """Check the headers and the query of an upload.

    Args:
        headers: the request's headers, names in lower case.
        query: the parameters of the query string.
        settings: limits and defaults.
        size_limit: the largest file.
        check_dataset: called with the dataset's name as soon as it is known, also when the form has it; raises if the
            client may not use it.

    Raises:
        FileTooLargeError: the declared size exceeds the limit.
        UnsupportedMediaTypeError: the body is not multipart/form-data, or is compressed as a whole.
        InvalidDigestError: a digest is malformed.
        InvalidFieldError: the query has an unknown or repeated field.
    """
    length_bytes = _declared_length(headers)
    check_content_length(length_bytes, size_limit)
    boundary = parse_boundary(headers.get("content-type"))
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise UnsupportedMediaTypeError(
            f"Content-Encoding {encoding!r} of a whole form is not supported: send the .gz or .zst file in the part "
            "'file', without this header"
        )
    fields = FormFields(query=query, defaults=settings, check_dataset=check_dataset)
    return UploadHead(
        boundary=boundary,
        fields=fields,
        length_bytes=length_bytes,
        size_limit=size_limit,
        file_sha256=read_sha256(REPR_DIGEST, headers.get("repr-digest")),
        body_sha256=read_sha256(CONTENT_DIGEST, headers.get("content-digest")),
    )


def _declared_length(headers: Mapping[str, str]) -> int | None:
    value = headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() else None
