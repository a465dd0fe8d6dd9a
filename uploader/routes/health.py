"""``/health`` and ``/ready``."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from uploader.dependencies import ReadinessDep
from uploader.readiness import ReadyAnswer

router = APIRouter(tags=["health"])


class HealthAnswer(BaseModel):
    """The process lives."""

    status: Literal["alive"] = "alive"


@router.get("/health", summary="The process lives")
async def get_health() -> HealthAnswer:
    """Answer from the event loop, without disk, database or network."""
    return HealthAnswer()


@router.get(
    "/ready",
    summary="Whether Kafka, the manifests and the disk are there",
    responses={503: {"model": ReadyAnswer, "description": "one of them is not; its `why` says more"}},
)
def get_ready(readiness: ReadinessDep, response: Response) -> ReadyAnswer:
    """Name what is missing. Uploads are taken while Kafka is away, and announced when it is back."""
    answer = readiness.answer()
    if answer.status != "ready":
        response.status_code = 503
    return answer
