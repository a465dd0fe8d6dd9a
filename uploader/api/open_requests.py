"""Requests that need no key."""

from __future__ import annotations

from fastapi import Request

from uploader.access.open_access import is_open
from uploader.settings import Settings


def has_open_access(request: Request, settings: Settings) -> bool:
    """Return whether ``request`` needs no key (see :func:`uploader.access.open_access.is_open`)."""
    server = request.scope.get("server")
    return is_open(settings, server[0] if server else None, headers=request.headers)
