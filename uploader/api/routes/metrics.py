"""``/metrics``."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from uploader.api.dependencies import MetricsPageDep

router = APIRouter(tags=["health"])


# A plain function: FastAPI runs it in a thread, as the database blocks.
@router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
def get_metrics(page: MetricsPageDep) -> Response:
    """Return the counters of all worker processes and the gauges of this replica, in Prometheus' text format."""
    return Response(page.render(), media_type=CONTENT_TYPE_LATEST)
