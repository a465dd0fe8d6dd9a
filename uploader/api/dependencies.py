"""What routes ask for; :mod:`uploader.app` puts it there when the application starts."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request

from uploader.monitoring.exposition import MetricsPage
from uploader.monitoring.readiness import Readiness
from uploader.uploads.service import UploadService


def _service(request: Request) -> UploadService:
    service: UploadService = request.app.state.service
    return service


def _readiness(request: Request) -> Readiness:
    readiness: Readiness = request.app.state.readiness
    return readiness


def _metrics_page(request: Request) -> MetricsPage:
    page: MetricsPage = request.app.state.metrics_page
    return page


ServiceDep = Annotated[UploadService, Depends(_service)]
ReadinessDep = Annotated[Readiness, Depends(_readiness)]
MetricsPageDep = Annotated[MetricsPage, Depends(_metrics_page)]
UploadIdPath = Annotated[str, Path(min_length=1, description="as `POST /upload/csv` answered it")]
ChunkIdPath = Annotated[int, Path(ge=1, le=2**31 - 1, description="from 1")]
