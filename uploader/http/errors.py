"""Errors of a request that never reaches the API: its connection is refused, or it is no valid HTTP."""

from __future__ import annotations

from contracts.errors import CsvPipeError


class MalformedRequestError(CsvPipeError):
    """The request is not valid HTTP/1.1."""

    code = "malformed_request"
    status = 400
    title = "Malformed request"


class RequestTimeoutError(CsvPipeError):
    """The head of the request was not received in time."""

    code = "request_timeout"
    status = 408
    title = "Request timeout"


class UriTooLongError(CsvPipeError):
    """The request URI is too long."""

    code = "uri_too_long"
    status = 414
    title = "URI too long"


class RequestHeadTooLargeError(CsvPipeError):
    """The request line and headers, or the trailers, are too large."""

    code = "request_head_too_large"
    status = 431
    title = "Request head too large"


class TunnelRefusedError(CsvPipeError):
    """The CONNECT method is not supported."""

    code = "not_implemented"
    status = 501
    title = "Not implemented"


class TransferCodingError(CsvPipeError):
    """The body has a transfer coding besides chunked."""

    code = "transfer_coding_not_supported"
    status = 501
    title = "Transfer coding not supported"


class HttpVersionError(CsvPipeError):
    """The request line names an unsupported version of HTTP, or none."""

    code = "http_version_not_supported"
    status = 505
    title = "HTTP version not supported"


class TooManyConnectionsError(CsvPipeError):
    """All connections are busy."""

    code = "too_many_connections"
    status = 503
    title = "Too many connections"


class TlsRequiredError(CsvPipeError):
    """The request came without TLS, and the uploader is served with TLS."""

    code = "tls_required"
    status = 400
    title = "TLS required"
