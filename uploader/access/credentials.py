"""The key in the headers of a request: ``Authorization: Bearer`` or ``X-API-Key``."""

from __future__ import annotations

from starlette.datastructures import Headers

from uploader.access.errors import UnauthenticatedError

HEADER = "X-API-Key"
_SCHEME = "bearer"


def find_credentials(headers: Headers) -> str | None:
    """Return what the request presents as its key, or None. Other schemes than Bearer are a proxy's and ignored.

    Raises:
        UnauthenticatedError: it presents two different ones.
    """
    given = {value.strip() for value in headers.getlist(HEADER)}
    for value in headers.getlist("authorization"):
        scheme, _, token = value.strip().partition(" ")
        if scheme.lower() == _SCHEME:
            given.add(token.strip())
    if len(given) > 1:
        raise UnauthenticatedError(f"the request has several keys: send one, as Authorization: Bearer or as {HEADER}")
    return given.pop() if given else None
