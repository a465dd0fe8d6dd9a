"""docs/operations/monitoring.md is held to the code: every metric of ours with its type, its labels and its meaning."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from sequencer.metrics.prometheus import MEANINGS
from tests.support.docs.shell_blocks import ROOT
from tests.support.monitoring.metrics import fetch_metrics, series_labels
from tests.support.monitoring.rules import expressions, faults_of
from tests.support.uploader.server import running_uploader

DOCUMENT = (ROOT / "docs" / "operations" / "monitoring.md").read_text()
_SUFFIX = {"counter": "_total"}


def section(title: str) -> str:
    return DOCUMENT.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def rows_of_the_page(text: str) -> set[str]:
    """Return a row of the table for each metric on a page."""
    rows = set()
    for family in text_string_to_metric_families(text):
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        assert family.samples, f"{family.name} has no value: its labels are not known"
        name = family.name + _SUFFIX.get(family.type, "")
        names = ", ".join(f"`{label}`" for label in sorted(labels))
        rows.add(f"| `{name}` | {family.type} | {names} | {family.documentation} |")
    return rows


def test_every_metric_of_the_uploader_stands_in_the_document(tmp_path: Path) -> None:
    with running_uploader(tmp_path) as uploader:
        httpx.get(f"{uploader.base_url}/health", trust_env=False)
        rows = rows_of_the_page(fetch_metrics(f"{uploader.base_url}/metrics"))
    assert set(re.findall(r"^\| `csvpipe_.*\|$", section("Metrics of the uploader"), re.MULTILINE)) == rows


def test_labels_that_rules_and_dashboards_ask_of_the_uploader_are_on_its_page(tmp_path: Path) -> None:
    with running_uploader(tmp_path) as uploader:
        for path in ("/health", "/ready", "/metrics"):
            httpx.get(uploader.base_url + path, trust_env=False)
        series = series_labels(fetch_metrics(f"{uploader.base_url}/metrics"))
    assert {place: faults for place, expression in expressions() if (faults := faults_of(expression, series))} == {}


def test_every_metric_of_the_sequencer_stands_in_the_document() -> None:
    rows = [f"| `{name}` | {meaning} |" for name, meaning in MEANINGS.items()]
    assert re.findall(r"^\| `csvpipe_.*\|$", section("Metrics of the sequencer"), re.MULTILINE) == rows
