"""Heads that a proxy in between may understand in another way than the uploader: they are refused (RFC 9112)."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.errors import CsvPipeError
from uploader.http.errors import MalformedRequestError, TransferCodingError


def find_ambiguity(headers: Sequence[tuple[bytes, bytes]], *, url: bytes, version: str) -> CsvPipeError | None:
    """Return why a head is refused, or None. The parser has refused what is no HTTP, and a body with two lengths.

    Args:
        headers: names in lower case, and values.
        url: the request target.
        version: of HTTP, such as ``1.1``.
    """
    hosts = [value.strip() for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (not hosts and version != "1.0"):
        return MalformedRequestError(f"the request must have one header Host, and has {len(hosts)} (RFC 9112, 3.2)")
    scheme, is_absolute, rest = url.partition(b"://")
    if is_absolute and b"/" not in scheme and [rest.partition(b"/")[0].lower()] != [host.lower() for host in hosts]:
        return MalformedRequestError("Host differs from the host of the request target (RFC 9112, 3.2.2)")
    codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    if codings and version == "1.0":
        return MalformedRequestError("HTTP/1.0 has no Transfer-Encoding: send HTTP/1.1 (RFC 9112, 6.1)")
    if codings not in ([], [b"chunked"]):
        return TransferCodingError("Transfer-Encoding must be chunked alone: send the file as it is")
    return None
