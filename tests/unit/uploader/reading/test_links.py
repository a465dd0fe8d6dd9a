"""Links to an upload in other services."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from contracts.errors import SettingsError
from contracts.reading import Links
from tests.support.uploader.uploads import SettableClock, upload_records
from uploader.reading.links import links_of
from uploader.settings import Settings, load_settings

UPLOAD_ID = "0123456789abcdef0123456789abcdef"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
ADDRESSES = {
    "airflow_url": "https://airflow.example.com/base/",
    "bucket_browser_url": "https://minio.example.com/browser/{bucket}/{prefix}",
    "trace_url": "https://grafana.example.com/explore?left=%7B%22query%22:%22{trace_id}%22%7D",
}


def links(*, traceparent: str | None = f"00-{TRACE_ID}-00f067aa0ba902b7-01", **given: Any) -> Links:
    upload, _ = upload_records(at=SettableClock().now, upload_id=UPLOAD_ID, traceparent=traceparent)
    return links_of(replace(upload, dataset_name="a.b-c_d"), Settings(_env_file=None, **given))


def hrefs(**given: Any) -> dict[str, str]:
    return {link.kind: link.href for link in links(**given).links}


def test_links_lead_to_the_runs_the_objects_and_the_trace() -> None:
    assert hrefs(**ADDRESSES) == {
        "airflow": f"https://airflow.example.com/base/dags/csv-chunk-ingestion/runs?run_id_pattern={UPLOAD_ID}",
        "objects": "https://minio.example.com/browser/raw/a.b-c_d%2F",
        "trace": f"https://grafana.example.com/explore?left=%7B%22query%22:%22{TRACE_ID}%22%7D",
    }


def test_there_is_no_link_without_an_address_or_a_trace() -> None:
    assert hrefs() == {}
    assert hrefs(traceparent=None, **ADDRESSES).keys() == {"airflow", "objects"}


@pytest.mark.parametrize("missing", ADDRESSES)
def test_link_without_an_address_is_noted_with_its_setting(missing: str) -> None:
    assert links(**ADDRESSES).notes == []
    [note] = links(**{**ADDRESSES, missing: None}).notes
    assert missing.upper() in note


def test_upload_without_a_trace_needs_no_address_for_it() -> None:
    assert links(traceparent=None, **{**ADDRESSES, "trace_url": None}).notes == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AIRFLOW_URL", "javascript:alert(1)"),
        ("AIRFLOW_URL", "airflow.example.com"),
        ("BUCKET_BROWSER_URL", "ftp://minio/{bucket}"),
        ("BUCKET_BROWSER_URL", "https://{bucket}.example.com/"),
        ("BUCKET_BROWSER_URL", "https://minio/{buckets}"),
        ("BUCKET_BROWSER_URL", "https://minio/{bucket.__class__}"),
        ("BUCKET_BROWSER_URL", "https://minio/{bucket!r}"),
        ("BUCKET_BROWSER_URL", "https://minio/{"),
        ("BUCKET_BROWSER_URL", "https://minio/<b>"),
        ("TRACE_URL", "https://jaeger/{bucket}"),
        ("TRACE_URL", "https://jaeger/{}"),
        ("S3_PUBLIC_ENDPOINT", "s3.example.com"),
    ],
)
def test_address_that_is_none_stops_the_start(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load_settings()
