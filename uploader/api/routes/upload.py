"""``POST /upload/csv``: upload a CSV file."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response

from contracts.api import UploadAccepted
from contracts.digests import CONTENT_DIGEST, REPR_DIGEST
from contracts.names import DATASET_NAME_PATTERN
from contracts.permissions import Permission
from contracts.spans import SpanKind
from contracts.traceparent import find_traceparent
from uploader.access.principal import Principal
from uploader.api.actors import actor_of
from uploader.api.extra_headers import extra_headers
from uploader.api.guards import Guard, PrincipalDep
from uploader.api.openapi import links_to_upload
from uploader.api.problems import problem_responses
from uploader.api.request_bodies import body_of
from uploader.api.runtime import Runtime, RuntimeDep
from uploader.api.upload_admission import admitted_upload
from uploader.disk.staging_directory import open_staging
from uploader.errors import (
    CompressionRatioExceededError,
    DigestMismatchError,
    DiskFailedError,
    DiskFullError,
    FileTooLargeError,
    HeaderRepeatedError,
    IdempotencyConflictError,
    InvalidCompressionError,
    InvalidCsvError,
    InvalidDigestError,
    InvalidFieldError,
    MalformedMultipartError,
    ManifestLostError,
    ManifestUnavailableError,
    TooManyChunksError,
    TooManyOpenFilesError,
    TooManyUploadsError,
    TooManyUploadsOfKeyError,
    UnsupportedMediaTypeError,
    UploadRateExceededError,
    UploadStalledError,
)
from uploader.ingest.form_fields import MAX_CHUNK_SIZE
from uploader.ingest.upload_receiver import receive_upload
from uploader.monitoring.upload_outcome import UploadOutcome
from uploader.uploads.acceptance import IDEMPOTENCY_KEY
from uploader.uploads.responses import span_attributes_of

_FIELDS: dict[str, dict[str, Any]] = {
    "dataset_name": {
        "type": "string",
        "pattern": DATASET_NAME_PATTERN,
        "description": "Dataset that the rows belong to",
    },
    "chunk_type": {"type": "string", "enum": ["size", "rows", "count"], "description": "What chunk_size counts"},
    "chunk_size": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_CHUNK_SIZE,
        "description": "Chunk size in MiB or rows, or the number of chunks",
    },
    "delimiter": {
        "type": "string",
        "format": "csv-delimiter",
        "description": "One ASCII character, a name (comma, semicolon, tab, pipe) or an escape (\\x01); by default "
        "taken from Excel's sep= line, or detected from the header and the first rows",
    },
    "encoding": {
        "type": "string",
        "format": "text-encoding",
        "description": "Encoding that the bytes are checked against; not checked by default",
    },
    "strict": {
        "enum": [True, False, "lenient"],
        "description": "Refuse rows whose number of fields differs from the header's; `lenient` accepts surplus cells "
        "that are empty",
    },
}
_DIGESTS = {
    REPR_DIGEST: "SHA-256 of the file as it is sent (RFC 9530); the part `file` can have it, too",
    CONTENT_DIGEST: "SHA-256 of the body of the request (RFC 9530)",
}
_DIGEST_SCHEMA = {"type": "string", "format": "http-digest"}
_OPENAPI = {
    "parameters": [
        *({"name": name, "in": "query", "required": False, "schema": schema} for name, schema in _FIELDS.items()),
        *(
            {"name": name, "in": "header", "required": False, "schema": _DIGEST_SCHEMA, "description": text}
            for name, text in _DIGESTS.items()
        ),
    ],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["file"],
                    "properties": {**_FIELDS, "file": {"type": "string", "format": "binary"}},
                }
            }
        },
    },
}

router = APIRouter(tags=["uploads"])


@router.post(
    "/upload/csv",
    status_code=202,
    summary="Upload a CSV file",
    response_model=UploadAccepted,
    openapi_extra=_OPENAPI,
    dependencies=[Depends(Guard(Permission.UPLOAD, dataset_parameter="dataset_name"))],
    responses=problem_responses(
        InvalidCsvError,
        InvalidCompressionError,
        InvalidDigestError,
        DigestMismatchError,
        HeaderRepeatedError,
        MalformedMultipartError,
        UploadStalledError,
        IdempotencyConflictError,
        FileTooLargeError,
        CompressionRatioExceededError,
        UnsupportedMediaTypeError,
        InvalidFieldError,
        TooManyChunksError,
        UploadRateExceededError,
        TooManyUploadsOfKeyError,
        TooManyUploadsError,
        ManifestUnavailableError,
        ManifestLostError,
        TooManyOpenFilesError,
        DiskFullError,
        DiskFailedError,
    )
    | {202: {"links": links_to_upload()}},
)
async def upload_csv(
    runtime: RuntimeDep,
    request: Request,
    response: Response,
    principal: PrincipalDep,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="The same key with the same file and options returns the first upload again",
            json_schema_extra={"pattern": IDEMPOTENCY_KEY.pattern},
        ),
    ] = None,
) -> UploadAccepted:
    """Receive a CSV as multipart/form-data, cut it into chunks and announce them.

    Fields may be sent in the form, before or after the file, or in the query. With `dataset_name` before the file or in
    the query, the file is cut while it is received, which is fastest. A file that is compressed with gzip or zstd is
    unpacked.
    """
    upload_id = uuid.uuid4().hex
    parent = find_traceparent(request.headers.items())
    attributes = {"csvpipe.upload_id": upload_id}
    with (
        runtime.metrics_page.metrics.upload() as outcome,
        runtime.spans.span("upload", parent=parent, kind=SpanKind.SERVER, attributes=attributes) as span,
    ):
        accepted = await _receive(
            runtime,
            request,
            principal,
            upload_id,
            idempotency_key=idempotency_key,
            traceparent=span.traceparent,
            outcome=outcome,
        )
        span.set_attributes(span_attributes_of(accepted))
        outcome.record_accepted(replayed=accepted.replayed)
    response.headers.update(extra_headers(request))
    response.headers["Location"] = accepted.tracking_url
    if accepted.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return accepted


async def _receive(
    runtime: Runtime,
    request: Request,
    principal: Principal,
    upload_id: str,
    *,
    idempotency_key: str | None,
    traceparent: str | None,
    outcome: UploadOutcome,
) -> UploadAccepted:
    created_at = runtime.clock()
    async with (
        admitted_upload(runtime, request, principal, upload_id=upload_id, idempotency_key=idempotency_key) as head,
        open_staging(runtime.settings.temp_dir, upload_id) as directory,
    ):
        with body_of(request) as body:
            options, result = await receive_upload(
                body=body,
                head=head,
                settings=runtime.settings,
                directory=directory.path,
                upload_id=upload_id,
                created_at=created_at,
                window_s=runtime.upload_window_s,
            )
        outcome.record_chunked(result)
        return await runtime.acceptance.accept(
            upload_id,
            options,
            result,
            directory,
            idempotency_key,
            actor=actor_of(request),
            created_at=created_at,
            traceparent=traceparent,
        )
