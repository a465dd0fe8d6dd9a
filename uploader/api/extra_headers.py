"""Headers that the response to a request gets, whether it succeeds or not."""

from __future__ import annotations

from fastapi import Request


def extra_headers(request: Request) -> dict[str, str]:
    """Return the headers to add to the response to ``request``; they may be changed until it starts."""
    state = request.state
    if not hasattr(state, "extra_headers"):
        state.extra_headers = {}
    headers: dict[str, str] = state.extra_headers
    return headers
