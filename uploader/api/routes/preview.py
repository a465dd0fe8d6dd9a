"""``POST /preview``: a look at a file before it is sent."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from contracts.names import DATASET_NAME_PATTERN, check_dataset_name
from contracts.permissions import Permission
from contracts.previews import MAX_PREVIEW_BYTES, Preview
from uploader.api.bounded_bodies import read_bounded
from uploader.api.guards import Guard, PrincipalDep
from uploader.api.problems import problem_responses
from uploader.api.request_bodies import closing_on_refusal
from uploader.api.runtime import RuntimeDep
from uploader.errors import (
    BodyTooLargeError,
    InvalidFieldError,
    ManifestUnavailableError,
    TooManyPreviewsError,
    UnsupportedMediaTypeError,
    UploadStalledError,
)
from uploader.ingest.form_fields import FormFields
from uploader.ingest.preview import preview_file

_FORMS = ("multipart/", "application/x-www-form-urlencoded")
_OPENAPI: dict[str, Any] = {
    "requestBody": {
        "required": False,  # an empty file has no body
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
router = APIRouter(tags=["uploads"])


@router.post(
    "/preview",
    summary="Preview a file",
    openapi_extra=_OPENAPI,
    dependencies=[Depends(Guard(Permission.UPLOAD, dataset_parameter="dataset_name"))],
    responses=problem_responses(
        BodyTooLargeError,
        InvalidFieldError,
        UnsupportedMediaTypeError,
        UploadStalledError,
        TooManyPreviewsError,
        ManifestUnavailableError,
    ),
)
async def preview(
    *,
    runtime: RuntimeDep,
    request: Request,
    principal: PrincipalDep,
    dataset_name: Annotated[
        str | None,
        Query(
            description="Dataset whose last upload the columns are compared with",
            json_schema_extra={"pattern": DATASET_NAME_PATTERN},
        ),
    ] = None,
    delimiter: Annotated[
        str | None, Query(description="As for `POST /upload/csv`", json_schema_extra={"format": "csv-delimiter"})
    ] = None,
    encoding: Annotated[
        str | None, Query(description="As for `POST /upload/csv`", json_schema_extra={"format": "text-encoding"})
    ] = None,
    strict: Annotated[
        str | None,
        Query(description="As for `POST /upload/csv`", json_schema_extra={"enum": ["true", "false", "lenient"]}),
    ] = None,
    complete: Annotated[bool, Query(description="Whether the body is the whole file")] = False,
) -> Preview:
    """Read the first bytes of a file, at most 1 MiB, as an upload with these options would; nothing is stored.

    The body is these bytes, as they are in the file. gzip and Zstandard are unpacked, to at most 1 MiB. What is
    incomplete at the end is no fault, unless the whole file was examined.
    """
    fields = {"delimiter": delimiter, "encoding": encoding, "strict": strict}
    given = {name: value for name, value in fields.items() if value is not None}
    with closing_on_refusal(request):
        if dataset_name is not None:
            check_dataset_name(dataset_name)
        options = FormFields(query=given.items(), defaults=runtime.settings).reading_options()
        _check_no_form(request)
        runtime.preview_limit.check_free(principal.key_id)
    with runtime.preview_limit.slot(principal.key_id):
        data = await read_bounded(
            request,
            max_bytes=MAX_PREVIEW_BYTES,
            advice="send the first bytes of the file only, such as file.slice(0, 1048576)",
            window_s=runtime.upload_window_s,
            least_bytes=runtime.settings.min_upload_window_bytes,
        )
        found = await runtime.preview_threads.run(preview_file, data, options, is_whole=complete)
        if dataset_name is None or not found.header or not principal.may(Permission.READ, dataset_name):
            return found
        drift = await runtime.preview_threads.run(runtime.datasets.find_drift, dataset_name, found.header)
        return found.model_copy(update={"drift": drift})


def _check_no_form(request: Request) -> None:
    """Check that the body is not a form.

    Raises:
        UnsupportedMediaTypeError: it is.
    """
    if request.headers.get("content-type", "").lower().startswith(_FORMS):
        raise UnsupportedMediaTypeError(
            "the body of a preview is the first bytes of the file: send them without a form"
        )
