"""The whole uploader, with a publisher that acknowledges everything at once: what is left is its own work."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI

from contracts.message import ChunkMessage
from uploader.app import create_app
from uploader.kafka.publisher import PublishResult
from uploader.settings import load_settings


class _Publisher:
    def publish(
        self,
        messages: Sequence[ChunkMessage],
        *,
        timeout_s: float,  # noqa: ARG002  as Publisher has it
        traceparent: str | None = None,  # noqa: ARG002  as above
    ) -> PublishResult:
        return PublishResult(acknowledged=[message.chunk_id for message in messages])

    def check(self, *, timeout_s: float) -> None:
        """Do nothing."""

    def close(self, *, timeout_s: float) -> None:
        """Do nothing."""


def make_app() -> FastAPI:
    return create_app(settings=load_settings(), publisher=_Publisher())
