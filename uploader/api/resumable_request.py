"""One request of a resumable upload: how it gets its upload, sends bytes to it, and is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response

from uploader.access.principal import Principal
from uploader.api.extra_headers import extra_headers
from uploader.api.guards import PrincipalDep
from uploader.api.problems import has_body
from uploader.api.request_bodies import body_of, closing_on_refusal
from uploader.api.runtime import Runtime, RuntimeDep
from uploader.api.upload_admission import size_limit_of
from uploader.disk.part_file import PartState
from uploader.disk.upload_turn import UploadTurn
from uploader.domain.resumable_upload import ResumableState, ResumableUpload
from uploader.resumable import tus_headers
from uploader.resumable.tus_headers import Checksum

Use = Callable[[ResumableUpload, UploadTurn | None], Awaitable[Response]]
"""Responds with an upload and its turn, which is None if the upload is finished."""


@dataclass(frozen=True)
class ResumableRequest:
    """A request to ``/files``, and who makes it."""

    runtime: Runtime
    request: Request
    principal: Principal

    @property
    def has_body(self) -> bool:
        """Whether bytes come with it."""
        return has_body(self.request)

    async def at_turn(self, upload_id: str, use: Use) -> Response:
        """Respond by ``use``, or let the replica that has the bytes respond.

        Raises:
            UploadNotFoundError: there is no such upload for this principal.
            CsvPipeError: the upload has ended, or a newer request has come; the subclass gives the reason.
        """
        upload = await self._find(upload_id)
        if upload.state is ResumableState.RECEIVING:
            if self.runtime.forwarder.is_elsewhere(upload):
                return await self._forward(upload)
            async with self.runtime.resumables.turn(upload) as turn:
                upload = await self._find(upload_id)  # an older request may have ended it meanwhile
                if upload.state is ResumableState.RECEIVING:
                    return await use(upload, turn)
        return await use(upload, None)

    async def append(
        self, upload: ResumableUpload, turn: UploadTurn, *, offset: int, length: int | None, checksum: Checksum | None
    ) -> tuple[PartState, str | None]:
        """Receive the body; see :meth:`uploader.resumable.service.ResumableUploads.append`."""
        async with self._slots():
            with body_of(self.request) as body:
                return await self.runtime.resumables.append(
                    upload,
                    turn,
                    body,
                    offset=offset,
                    length=length,
                    body_bytes=tus_headers.read_number(self.request.headers, "Content-Length"),
                    size_limit=size_limit_of(self.principal, self.runtime.settings),
                    checksum=checksum,
                )

    def closing_on_refusal(self) -> AbstractContextManager[None]:
        """Close the connection after a refusal, instead of receiving a body that nobody wants."""
        return closing_on_refusal(self.request)

    def respond(self, status: int, state: PartState, accepted_id: str | None) -> Response:
        """Return the response with what is durable, or with the upload that the finished file has become."""
        headers = {"Upload-Offset": str(state.offset)}
        if state.length is None:
            headers["Upload-Defer-Length"] = "1"
        else:
            headers["Upload-Length"] = str(state.length)
        if accepted_id is None:
            headers["Upload-Expires"] = tus_headers.http_date(self.runtime.resumables.registry.expires_at(state))
        else:
            headers |= self._names_of(accepted_id)
        return Response(status_code=status, headers=headers | extra_headers(self.request))

    def respond_finished(self, status: int, upload: ResumableUpload) -> Response:
        """Return the response for an upload that was finished before."""
        size = str(upload.length_bytes)
        headers = {"Upload-Offset": size, "Upload-Length": size, **self._names_of(upload.accepted_id or "")}
        return Response(status_code=status, headers=headers | extra_headers(self.request))

    async def _find(self, upload_id: str) -> ResumableUpload:
        with self.closing_on_refusal():
            return await self.runtime.resumables.registry.find(upload_id, self.principal)

    async def _forward(self, upload: ResumableUpload) -> Response:
        """Let the other replica respond. It takes the slot of the key; a body takes one of this worker too."""
        forwarder, method, headers = self.runtime.forwarder, self.request.method, self.request.headers
        with self.closing_on_refusal():
            if not self.has_body:
                answer = await forwarder.forward(upload, method, headers)
            else:
                with self.runtime.concurrency_limit.slot(), body_of(self.request) as body:
                    rate = self.runtime.resumables.rate()
                    answer = await forwarder.forward(upload, method, headers, body=body, rate=rate)
        if answer.status >= 400 and self.has_body:
            answer.headers["Connection"] = "close"
        return Response(answer.content, status_code=answer.status, headers=answer.headers)

    @asynccontextmanager
    async def _slots(self) -> AsyncIterator[None]:
        """Hold a slot of the key and one of this worker."""
        async with AsyncExitStack() as stack:
            with self.closing_on_refusal():
                self.runtime.concurrency_limit.check_free()
                await stack.enter_async_context(
                    self.runtime.key_limits.slot(self.principal, extra_headers(self.request))
                )
                stack.enter_context(self.runtime.concurrency_limit.slot())
            yield

    def _names_of(self, accepted_id: str) -> dict[str, str]:
        status = f"{self.request.scope.get('root_path', '')}/uploads/{accepted_id}/status"
        return {tus_headers.UPLOAD_ID: accepted_id, tus_headers.UPLOAD_STATUS: status}


async def _resumable_request(runtime: RuntimeDep, request: Request, principal: PrincipalDep) -> ResumableRequest:
    return ResumableRequest(runtime, request, principal)


ResumableRequestDep = Annotated[ResumableRequest, Depends(_resumable_request)]
