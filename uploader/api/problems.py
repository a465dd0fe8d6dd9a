"""Errors as problem documents (RFC 9457): one handler each for our errors, the framework's, and unexpected ones."""

from __future__ import annotations

import http
import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route

from contracts.errors import CsvPipeError
from contracts.faults import rule_of
from contracts.hidden_secrets import hide_secrets
from uploader.api.extra_headers import extra_headers
from uploader.api.refusals import REFUSALS, refused
from uploader.http.protective_headers import PROTECTIVE_HEADERS
from uploader.runtime.os_errors import translate_os_error

PROBLEM_JSON = "application/problem+json"
_log = logging.getLogger(__name__)


class Problem(BaseModel):
    """A problem document; further members locate the fault (``row``, ``byte``, ``field`` ...)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="urn:csvpipe:problem:{code}")
    title: str
    status: int
    detail: str = Field(description="What is wrong, where, and what to do; for people")
    code: str = Field(description="Stable code of the error; for programs")
    instance: str = Field(description="Path of the request")


class InvalidRequestError(CsvPipeError):
    """A parameter or JSON body violates the OpenAPI document; ``faults`` lists each ``field`` and ``rule``."""

    code = "invalid_request"
    status = 422
    title = "Invalid request"


def problem_responses(*errors: type[CsvPipeError]) -> dict[int | str, dict[str, Any]]:
    """Describe ``errors`` in the OpenAPI document of a route with parameters."""
    responses: dict[int | str, dict[str, Any]] = {}
    described: tuple[type[CsvPipeError], ...] = (InvalidRequestError, *errors)
    for error in described:
        known = responses.setdefault(error.status, {"model": Problem, "content": {PROBLEM_JSON: {}}})
        known["description"] = "; ".join(filter(None, [known.get("description"), f"{error.title} (`{error.code}`)"]))
    return responses


def add_problem_handlers(app: FastAPI) -> None:
    """Respond to every error of ``app`` with ``application/problem+json``."""
    app.add_exception_handler(CsvPipeError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OSError, _disk)
    app.add_exception_handler(Exception, _unexpected)


def path_of(request: Request) -> str:
    """Return the path of a request as it may be logged and repeated: without keys and signatures."""
    return hide_secrets(request.url.path)


def _problem(  # the fields of a problem document
    request: Request, *, status: int, code: str, title: str, detail: str, extra: dict[str, object] | None = None
) -> JSONResponse:
    body = {**(extra or {}), "type": f"urn:csvpipe:problem:{code}", "title": title, "status": status}
    body |= {"detail": detail, "code": code, "instance": path_of(request)}
    # With the headers already: the response to an unexpected error passes no middleware.
    return JSONResponse(body, status_code=status, media_type=PROBLEM_JSON, headers=PROTECTIVE_HEADERS)


def problem_response(request: Request, error: CsvPipeError) -> JSONResponse:
    """Return the response to a request that ends in ``error``."""
    if error.status >= 500:
        _log.warning(
            "Request failed",
            extra={
                "method": request.method,
                "path": path_of(request),
                "code": error.code,
                "error": error.detail,
            },
        )
    if error.status in REFUSALS:
        refused(request, error)
    response = _problem(
        request, status=error.status, code=error.code, title=error.title, detail=error.detail, extra=error.extra
    )
    response.headers.update(extra_headers(request))
    if "retry_after_s" in error.extra:
        response.headers["Retry-After"] = str(error.extra["retry_after_s"])
    if "location" in error.extra:
        response.headers["Location"] = str(error.extra["location"])
    if error.status == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        response.headers["Content-Range"] = f"bytes */{error.extra['size_bytes']}"
    if error.status == http.HTTPStatus.REQUEST_TIMEOUT:
        response.headers["Connection"] = "close"  # RFC 9110, 15.5.9
    if error.status == http.HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.status in REFUSALS and has_body(request):
        response.headers["Connection"] = "close"  # instead of reading what may be gigabytes
    return response


def has_body(request: Request) -> bool:
    """Return whether ``request`` has, or announces, a body."""
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CsvPipeError)  # noqa: S101  registered for this class
    return problem_response(request, error)


async def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class
    return _refuse(
        request, [{"field": ".".join(map(str, fault["loc"])), "rule": rule_of(fault)} for fault in error.errors()]
    )


def _refuse(request: Request, faults: list[dict[str, str]]) -> JSONResponse:
    detail = "; ".join(f"{fault['field']}: {fault['rule']}" for fault in faults)
    kind = InvalidRequestError
    return _problem(
        request, status=kind.status, code=kind.code, title=kind.title, detail=detail, extra={"faults": faults}
    )


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class
    if error.status_code == http.HTTPStatus.BAD_REQUEST:
        # Raised by FastAPI if its JSON parser fails on a body: bytes that are not text, or excessive nesting.
        return _refuse(request, [{"field": "body", "rule": "Input should be a JSON document in UTF-8"}])
    title = http.HTTPStatus(error.status_code).phrase
    code = title.lower().replace(" ", "_").replace("-", "_")
    response = _problem(request, status=error.status_code, code=code, title=title, detail=str(error.detail))
    response.headers.update(error.headers or {})
    if error.status_code == http.HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(sorted(_methods(request)))
    return response


def _methods(request: Request) -> set[str]:
    """Return the methods that the path of ``request`` supports; Starlette names those of one route only."""
    all_routes: list[BaseRoute] = request.app.routes
    matching = [
        route for route in all_routes if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    ]
    # "/uploads/known" also matches "/uploads/{upload_id}", which is not meant.
    literal = [route for route in matching if not route.param_convertors]
    return {method for route in literal or matching for method in route.methods or ()}


async def _disk(request: Request, error: Exception) -> JSONResponse:
    """Respond to a full or failing disk, wherever the error was raised."""
    ours = translate_os_error(error) if isinstance(error, OSError) else None
    return await (_unexpected(request, error) if ours is None else _ours(request, ours))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _log.error(
        "Request failed with an unexpected error",
        extra={"method": request.method, "path": path_of(request), "error": type(error).__name__},
        exc_info=error,
    )
    return _problem(
        request,
        status=500,
        code="internal_error",
        title="Internal error",
        detail="unexpected error; see the uploader's log",
    )
