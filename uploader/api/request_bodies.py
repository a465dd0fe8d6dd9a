"""The body of a request as a :class:`uploader.http.request_body.Body`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from fastapi import Request
from starlette.requests import ClientDisconnect

from contracts.errors import CsvPipeError
from uploader.api.extra_headers import extra_headers
from uploader.api.problems import has_body
from uploader.errors import UploadAbortedError
from uploader.http.direct_body import take_direct_body
from uploader.http.request_body import Body, StreamedBody


@contextmanager
def body_of(request: Request) -> Iterator[Body]:
    """Provide the request's body, directly from the connection if the server offers that."""
    direct = take_direct_body(request.scope)
    if direct is None:
        yield StreamedBody(_pieces(request))
        return
    try:
        yield direct
    finally:
        direct.close()


@contextmanager
def closing_on_refusal(request: Request) -> Iterator[None]:
    """Close the connection after a refusal, instead of receiving a body that nobody wants."""
    try:
        yield
    except CsvPipeError:
        if has_body(request):
            extra_headers(request)["Connection"] = "close"
        raise


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """Yield the pieces of the body as ASGI delivers them.

    Raises:
        UploadAbortedError: the client has disconnected.
    """
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect as error:
        raise UploadAbortedError from error
