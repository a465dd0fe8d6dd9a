"""``/health`` and ``/ready``."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Depends, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from uploader.api.guards import ANYONE
from uploader.api.problems import Problem
from uploader.api.runtime import RuntimeDep
from uploader.errors import ProcessExhaustedError
from uploader.monitoring.readiness import ReadyAnswer
from uploader.runtime.blocking_pool import find_thread_fault

router = APIRouter(tags=["health"], dependencies=[Depends(ANYONE)])


class HealthAnswer(BaseModel):
    """The process is alive."""

    status: Literal["alive"] = "alive"


@router.get(
    "/health",
    summary="Check that the process is alive",
    responses={503: {"model": Problem, "description": "The process cannot start a thread and must be restarted"}},
)
async def get_health() -> HealthAnswer:
    """Respond from the event loop, without disk, database or network, if a thread can be started."""
    _check_threads()
    return HealthAnswer()


@router.get(
    "/ready",
    summary="Check that Kafka, the manifest database and the disk are available",
    responses={503: {"model": ReadyAnswer, "description": "At least one is unavailable; its `why` has the reason"}},
)
async def get_ready(runtime: RuntimeDep, response: Response) -> ReadyAnswer:
    """Report what is unavailable. Uploads are accepted while Kafka is unavailable, and announced afterwards."""
    _check_threads()
    answer = await run_in_threadpool(runtime.readiness.answer)
    if answer.status != "ready":
        response.status_code = 503
    return answer


def _check_threads() -> None:
    fault = find_thread_fault()
    if fault is not None:
        raise ProcessExhaustedError(f"{fault}; restart the process, and check its memory and thread limits")
