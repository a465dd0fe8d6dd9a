"""Requests that are refused before the application sees them, and the response to them (RFC 9457)."""

from __future__ import annotations

import http
import json

from contracts.errors import CsvPipeError
from uploader.http.errors import (
    HttpVersionError,
    MalformedRequestError,
    RequestHeadTooLargeError,
    RequestTimeoutError,
    TlsRequiredError,
    TooManyConnectionsError,
    TunnelRefusedError,
    UriTooLongError,
)
from uploader.http.http_limits import HttpLimits
from uploader.http.protective_headers import PROTECTIVE_HEADERS

_RETRY_AFTER_S = 10


def malformed_request() -> CsvPipeError:
    """Return the error for bytes that are not HTTP/1.1."""
    return MalformedRequestError("not a valid HTTP/1.1 request (RFC 9112), or bytes where none are expected")


def request_timeout(limits: HttpLimits) -> CsvPipeError:
    """Return the error for a head that does not end in time."""
    return RequestTimeoutError(
        f"request line and headers must be complete within {limits.request_timeout_s:g} seconds (REQUEST_TIMEOUT_S)"
    )


def uri_too_long(limits: HttpLimits) -> CsvPipeError:
    """Return the error for an address that is too long."""
    return UriTooLongError(
        f"the request URI is limited to {limits.url_bytes} bytes: send the fields of an upload in its form"
    )


def head_too_large(limits: HttpLimits) -> CsvPipeError:
    """Return the error for request line and headers, or trailers, that are too large."""
    return RequestHeadTooLargeError(
        f"request line and headers are limited to {limits.head_bytes} bytes together, and so are trailers: send fewer "
        "or shorter headers"
    )


def connect_refused() -> CsvPipeError:
    """Return the error for the CONNECT method."""
    return TunnelRefusedError("CONNECT is not supported: the uploader is not a proxy")


def unsupported_version() -> CsvPipeError:
    """Return the error for another version of HTTP."""
    return HttpVersionError("the request line must end with HTTP/1.1 or HTTP/1.0")


def tls_required() -> CsvPipeError:
    """Return the error for a request without TLS where TLS is spoken."""
    return TlsRequiredError("this port speaks TLS: use https:// in the address")


def too_many_connections(limits: HttpLimits) -> CsvPipeError:
    """Return the error for a connection when all are busy."""
    return TooManyConnectionsError(
        f"all {limits.max_connections} connections are busy (MAX_CONNECTIONS, or the limit of open files); retry after "
        f"{_RETRY_AFTER_S} seconds",
        retry_after_s=_RETRY_AFTER_S,
    )


def render_refusal(error: CsvPipeError) -> bytes:
    """Return the complete HTTP response for ``error``, the last one of its connection."""
    problem = {**error.extra, "type": f"urn:csvpipe:problem:{error.code}", "title": error.title}
    # The instance is unknown: the request was not read, or not understood.
    problem |= {"status": error.status, "detail": error.detail, "code": error.code, "instance": ""}
    body = json.dumps(problem).encode()
    lines = [
        f"HTTP/1.1 {error.status} {http.HTTPStatus(error.status).phrase}",
        "content-type: application/problem+json",
        f"content-length: {len(body)}",
        "connection: close",
        *(f"{name.lower()}: {value}" for name, value in PROTECTIVE_HEADERS.items()),
    ]
    if "retry_after_s" in error.extra:
        lines.append(f"retry-after: {error.extra['retry_after_s']}")
    return "\r\n".join([*lines, "", ""]).encode() + body
