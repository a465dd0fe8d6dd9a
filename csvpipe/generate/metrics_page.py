"""``docs/reference/metrics.md``: every metric of the uploader and of a sequencing job."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from csvpipe.extras import CHECKOUT
from csvpipe.generate.markdown import GENERATED, code, sentence, table

FILE = CHECKOUT / "docs" / "reference" / "metrics.md"
_SUFFIXES = {"counter": "_total"}
_INTRODUCTION = """\
# Metrics

The metrics that csvpipe exposes for Prometheus. [Monitoring](../operations/monitoring.md) explains them, and
lists those of Kafka, NiFi, Airflow and MinIO.
"""


def render_metrics_page() -> str:
    """Return the page. The uploader is started for it, on a temporary directory and without Kafka."""
    from sequencer.metrics.prometheus import MEANINGS

    uploader = table(("metric", "type", "labels", "description"), _rows(_scrape()))
    job = table(("metric", "description"), [(code(name), sentence(text)) for name, text in MEANINGS.items()])
    return (
        f"{GENERATED}{_INTRODUCTION}\n## Uploader\n\n{uploader}\n## Sequencing job\n\n"
        f"All have the label `job_id`. Names that end in `_total` are counters, the others gauges.\n\n{job}"
    )


def _scrape() -> str:
    from uploader.app import create_app
    from uploader.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(temp_dir=Path(folder), kafka_broker="127.0.0.1:1", min_free_disk_mb=0, ballast_mb=1)
        return asyncio.run(_get_metrics(create_app(settings=settings)))


async def _get_metrics(app: FastAPI) -> str:
    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        await client.get("/health")
        return (await client.get("/metrics")).text


def _rows(page: str) -> Iterator[tuple[str, str, str, str]]:
    for family in text_string_to_metric_families(page):
        names = {name for sample in family.samples for name in sample.labels} - {"le"}
        labels = ", ".join(code(name) for name in sorted(names))
        name = family.name + _SUFFIXES.get(family.type, "")
        yield code(name), family.type, labels, sentence(family.documentation)
