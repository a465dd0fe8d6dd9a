"""Rules and dashboards use only labels that the uploader's metrics have."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.support.monitoring.metrics import fetch_metrics, series_labels
from tests.support.monitoring.rules import expressions, faults_of
from tests.support.uploader.server import running_uploader


def test_labels_that_rules_and_dashboards_ask_of_the_uploader_are_on_its_page(tmp_path: Path) -> None:
    with running_uploader(tmp_path) as uploader:
        for path in ("/health", "/ready", "/metrics"):
            httpx.get(uploader.base_url + path, trust_env=False)
        series = series_labels(fetch_metrics(f"{uploader.base_url}/metrics"))
    assert {place: faults for place, expression in expressions() if (faults := faults_of(expression, series))} == {}
