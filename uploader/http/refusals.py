"""Requests that are refused before the application sees them, and the answer to them (RFC 9457)."""

from __future__ import annotations

import http
import json

from contracts.errors import CsvPipeError
from uploader.errors import (
    HttpVersionError,
    MalformedRequestError,
    RequestHeadTooLargeError,
    RequestTimeoutError,
    TooManyConnectionsError,
    TunnelRefusedError,
    UriTooLongError,
)
from uploader.http.limits import HttpLimits

_RETRY_AFTER_S = 10


def malformed() -> CsvPipeError:
    """Return the refusal of what is not HTTP/1.1."""
    return MalformedRequestError(
        "this is not a valid HTTP/1.1 request (RFC 9112), or not where one is due; send it anew"
    )


def too_late(limits: HttpLimits) -> CsvPipeError:
    """Return the refusal of a head that does not come to its end."""
    return RequestTimeoutError(
        f"request line and headers must be complete within {limits.request_timeout_s:g} seconds (REQUEST_TIMEOUT_S)"
    )


def url_too_long(limits: HttpLimits) -> CsvPipeError:
    """Return the refusal of an address that is too long."""
    return UriTooLongError(
        f"the address of a request may have {limits.url_bytes} bytes: send the fields of an upload in its form"
    )


def head_too_large(limits: HttpLimits) -> CsvPipeError:
    """Return the refusal of request line and headers, or of trailers, that are too long."""
    return RequestHeadTooLargeError(
        f"request line and headers may have {limits.head_bytes} bytes together, and so may trailers: send fewer or "
        "shorter headers"
    )


def no_tunnel() -> CsvPipeError:
    """Return the refusal of CONNECT."""
    return TunnelRefusedError("CONNECT is not supported: the uploader is not a proxy")


def other_version() -> CsvPipeError:
    """Return the refusal of another version of HTTP."""
    return HttpVersionError("the request line must end with HTTP/1.1 or HTTP/1.0: send the request as such")


def too_many_connections(limits: HttpLimits) -> CsvPipeError:
    """Return the refusal of a connection when all are busy."""
    return TooManyConnectionsError(
        f"{limits.max_connections} connections are busy (MAX_CONNECTIONS, or the limit of open files); try again in "
        f"{_RETRY_AFTER_S} seconds",
        retry_after_s=_RETRY_AFTER_S,
    )


def refusal_answer(error: CsvPipeError) -> bytes:
    """Return the whole HTTP answer that says ``error``, the last one of its connection."""
    problem = {**error.extra, "type": f"urn:csvpipe:problem:{error.code}", "title": error.title}
    # There is no address to name: the request was not read, or not understood.
    problem |= {"status": error.status, "detail": error.detail, "code": error.code, "instance": ""}
    body = json.dumps(problem).encode()
    lines = [
        f"HTTP/1.1 {error.status} {http.HTTPStatus(error.status).phrase}",
        "content-type: application/problem+json",
        f"content-length: {len(body)}",
        "connection: close",
    ]
    if "retry_after_s" in error.extra:
        lines.append(f"retry-after: {error.extra['retry_after_s']}")
    return "\r\n".join([*lines, "", ""]).encode() + body
