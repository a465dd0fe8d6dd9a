"""Addresses at which other services show an upload."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from contracts.names import DAG_CHUNK_INGESTION, object_key
from contracts.reading import Link, Links
from contracts.traceparent import trace_id_of
from uploader.domain.records import UploadOverview
from uploader.reader_settings import ReaderSettings


def links_of(upload: UploadOverview, settings: ReaderSettings) -> Links:
    """Return the links of the services whose addresses are set, and name the settings that are not."""
    links: list[Link] = []
    missing: list[str] = []
    if settings.airflow_url is None:
        missing.append(_missing("runs in Airflow", "AIRFLOW_URL"))
    else:
        # The ids of its runs begin with that of the upload; there is one for each batch of messages.
        query = urlencode({"run_id_pattern": upload.upload_id})
        href = f"{settings.airflow_url.rstrip('/')}/dags/{DAG_CHUNK_INGESTION}/runs?{query}"
        links.append(Link(kind="airflow", label="Runs in Airflow", href=href))
    if settings.bucket_browser_url is None:
        missing.append(_missing("objects of the dataset", "BUCKET_BROWSER_URL"))
    else:
        places = {"bucket": upload.bucket, "prefix": object_key(upload.dataset_name, "")}
        href = _filled(settings.bucket_browser_url, places)
        links.append(Link(kind="objects", label="Objects of the dataset", href=href))
    if upload.traceparent is None:
        return Links(links=links, notes=missing)
    if settings.trace_url is None:
        missing.append(_missing("trace", "TRACE_URL"))
    else:
        href = _filled(settings.trace_url, {"trace_id": trace_id_of(upload.traceparent)})
        links.append(Link(kind="trace", label="Trace", href=href))
    return Links(links=links, notes=missing)


def _missing(what: str, setting: str) -> str:
    return f"There is no link to the {what}: the uploader has no {setting}."


def _filled(template: str, places: dict[str, str]) -> str:
    return template.format_map({name: quote(value, safe="") for name, value in places.items()})
