"""``/metrics``."""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from uploader.access.credentials import find_credentials
from uploader.access.errors import UnauthenticatedError
from uploader.api.guards import ANYONE
from uploader.api.problems import PROBLEM_JSON, Problem
from uploader.api.runtime import RuntimeDep
from uploader.settings import Settings

router = APIRouter(tags=["health"], dependencies=[Depends(ANYONE)])


# Not async: FastAPI runs it in a thread, because the database blocks.
@router.get(
    "/metrics",
    summary="Get metrics for Prometheus",
    response_class=PlainTextResponse,
    responses={
        401: {"model": Problem, "content": {PROBLEM_JSON: {}}, "description": "METRICS_KEY is set and not sent"}
    },
)
def get_metrics(runtime: RuntimeDep, request: Request) -> Response:
    """Return the counters of all worker processes and the gauges of this replica, in Prometheus' text format.

    If `METRICS_KEY` is set, the request must have it as its Bearer token.
    """
    _check_key(request, runtime.settings)
    return Response(runtime.metrics_page.render(), media_type=CONTENT_TYPE_LATEST)


def _check_key(request: Request, settings: Settings) -> None:
    """Check the token of a scrape.

    Raises:
        UnauthenticatedError: METRICS_KEY is set, and the request does not have it.
    """
    if settings.metrics_key is None:
        return
    given = find_credentials(request.headers) or ""
    if not hmac.compare_digest(given.encode(), settings.metrics_key.get_secret_value().encode()):
        raise UnauthenticatedError("/metrics needs METRICS_KEY as Bearer token: set it in Prometheus' authorization")
