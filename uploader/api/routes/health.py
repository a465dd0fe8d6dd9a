"""``/health`` and ``/ready``."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from uploader.api.dependencies import ReadinessDep
from uploader.api.problems import Problem
from uploader.errors import ProcessExhaustedError
from uploader.monitoring.readiness import ReadyAnswer
from uploader.runtime.blocking_pool import find_thread_fault

router = APIRouter(tags=["health"])


class HealthAnswer(BaseModel):
    """The process lives."""

    status: Literal["alive"] = "alive"


@router.get(
    "/health",
    summary="The process lives",
    responses={503: {"model": Problem, "description": "it can start no thread, and must be restarted"}},
)
async def get_health() -> HealthAnswer:
    """Answer from the event loop, without disk, database or network, if a thread can be started."""
    _check_threads()
    return HealthAnswer()


@router.get(
    "/ready",
    summary="Whether Kafka, the manifests and the disk are there",
    responses={503: {"model": ReadyAnswer, "description": "one of them is not; its `why` says more"}},
)
async def get_ready(readiness: ReadinessDep, response: Response) -> ReadyAnswer:
    """Name what is missing. Uploads are taken while Kafka is away, and announced when it is back."""
    _check_threads()
    answer = await run_in_threadpool(readiness.answer)
    if answer.status != "ready":
        response.status_code = 503
    return answer


def _check_threads() -> None:
    fault = find_thread_fault()
    if fault is not None:
        raise ProcessExhaustedError(f"{fault}; restart the process, and look at its limits of memory and threads")
