"""The decision on an upload by the head of its request, before a byte of its body is read."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import Request

from contracts.errors import CsvPipeError
from contracts.permissions import Permission
from uploader.access.principal import Principal
from uploader.api.extra_headers import extra_headers
from uploader.api.guards import check_permission
from uploader.api.runtime import Runtime
from uploader.ingest.size_limits import SizeLimit, check_disk
from uploader.ingest.upload_head import UploadHead, read_upload_head
from uploader.runtime.logging import UploadLog
from uploader.settings import Settings
from uploader.uploads.acceptance import check_idempotency_key

_log = logging.getLogger(__name__)


@asynccontextmanager
async def admitted_upload(
    runtime: Runtime, request: Request, principal: Principal, *, upload_id: str, idempotency_key: str | None
) -> AsyncIterator[UploadHead]:
    """Hold what an upload needs to run: a slot of its key, if it has one, and a slot of this worker.

    The limits of the key come last, so that an upload that is refused for another reason does not count. After a
    refusal the connection is closed, instead of receiving a body that nobody wants.

    Raises:
        CsvPipeError: the upload is refused; the subclass gives the reason.
    """
    async with AsyncExitStack() as stack:
        try:
            runtime.acceptance.check_open()
            check_idempotency_key(idempotency_key)
            head = read_upload_head(
                headers=request.headers,
                query=request.query_params.multi_items(),
                settings=runtime.settings,
                size_limit=size_limit_of(principal, runtime.settings),
                check_dataset=partial(check_permission, principal, Permission.UPLOAD),
            )
            runtime.concurrency_limit.check_free()
            needed_bytes = head.length_bytes or 0
            await check_disk(runtime.settings.temp_dir, needed_bytes=needed_bytes, settings=runtime.settings)
            await stack.enter_async_context(runtime.key_limits.admitted(principal, extra_headers(request)))
            stack.enter_context(runtime.concurrency_limit.slot())
        except CsvPipeError as error:
            UploadLog(_log, upload_id).info("Upload refused", extra={"code": error.code, "error": error.detail})
            extra_headers(request)["Connection"] = "close"
            raise
        yield head


def size_limit_of(principal: Principal, settings: Settings) -> SizeLimit:
    """Return the largest file that ``principal`` may send."""
    return SizeLimit.of_key(principal.max_file_size_mb, settings=settings)
