"""``/metrics``."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from uploader.api.runtime import RuntimeDep

router = APIRouter(tags=["health"])


# Not async: FastAPI runs it in a thread, because the database blocks.
@router.get("/metrics", summary="Get metrics for Prometheus", response_class=PlainTextResponse)
def get_metrics(runtime: RuntimeDep) -> Response:
    """Return the counters of all worker processes and the gauges of this replica, in Prometheus' text format."""
    return Response(runtime.metrics_page.render(), media_type=CONTENT_TYPE_LATEST)
