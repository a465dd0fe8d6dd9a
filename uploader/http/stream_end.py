"""When a response that does not end by itself has to end: the server stops, or the client has closed its side."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

EXTENSION = "csvpipe.stream_end"


def stream_end_of(scope: Mapping[str, Any]) -> asyncio.Event:
    """Return the event for the request of ``scope``; one that is never set if another server has received it."""
    event = scope.get("extensions", {}).get(EXTENSION, {}).get("event")
    return event if isinstance(event, asyncio.Event) else asyncio.Event()
