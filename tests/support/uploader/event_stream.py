"""A client of the uploader's server-sent events."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

_TIMEOUT_S = 120.0


class Events:
    """The events of one stream, in their order; comments are left out."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def next(self) -> tuple[str, dict[str, Any]] | None:
        """Return name and data of the next event; None at the end of the stream."""
        name, data, deadline = "", "", time.monotonic() + _TIMEOUT_S
        for line in self._lines:
            assert time.monotonic() < deadline, f"no event within {_TIMEOUT_S:.0f} s"  # comments come all the time
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                data = value
            elif not line and name:
                return name, json.loads(data)
        return None

    def wait_for(self, upload_id: str, status: str) -> dict[str, Any]:
        """Return the next state of an upload with this status; other events are skipped."""
        while found := self.next():
            if found[0] == "upload" and found[1]["upload_id"] == upload_id and found[1]["status"] == status:
                return found[1]
        raise AssertionError("the stream has ended")


@contextmanager
def following(base_url: str, *, headers: dict[str, str] | None = None, **query: str) -> Iterator[Events]:
    """Follow uploads, after the first event, which is ``ready``."""
    with (
        httpx.Client(base_url=base_url, trust_env=False, timeout=_TIMEOUT_S) as client,
        client.stream("GET", "/events", headers=headers, params=query) as response,
    ):
        assert response.status_code == 200, response.read()
        events = Events(response)
        assert events.next() == ("ready", {})
        yield events
