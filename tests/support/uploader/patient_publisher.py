"""More time for a slow broker than the uploader has, whose clients wait for their answer."""

from __future__ import annotations

import pytest

from uploader.kafka import kafka_publisher
from uploader.uploads import outbox

PATIENCE_S = 120.0
"""Only to end a test that hangs."""


def wait_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let publishers wait for an acknowledgement: without it the message is sent again, and may be there twice."""
    for name in ("_REQUEST_TIMEOUT_MS", "_DELIVERY_TIMEOUT_MS"):
        monkeypatch.setattr(kafka_publisher, name, int(PATIENCE_S * 1000))
    monkeypatch.setattr(outbox, "_PUBLISH_TIMEOUT_S", PATIENCE_S)
