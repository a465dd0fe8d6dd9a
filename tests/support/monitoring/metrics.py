"""Metrics of a service, read as Prometheus reads them."""

from __future__ import annotations

import re

import httpx
from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, ...], float]
"""Values by the name of the series and the values of its labels, in the order of the labels' names."""


def read_metrics(url: str) -> Samples:
    """Return every sample of the page at ``url``."""
    return parse_metrics(fetch_metrics(url))


def fetch_metrics(url: str) -> str:
    """Return the page at ``url``."""
    return httpx.get(url, timeout=120, trust_env=False).raise_for_status().text


def parse_metrics(text: str) -> Samples:
    """Return every sample of ``text``."""
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def series_labels(text: str) -> dict[str, list[dict[str, str]]]:
    """Return the labels of every series in ``text``, by its name as Prometheus stores it."""
    found: dict[str, list[dict[str, str]]] = {}
    for name, labels in re.findall(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})? \S+", text, re.MULTILINE):
        found.setdefault(name, []).append(dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)))
    return found


def metric_names(text: str) -> set[str]:
    """Return the name of every series in ``text``, as Prometheus stores it.

    Not by the parser above, which puts ``_total`` behind the name of a counter that has none.
    """
    return set(re.findall(r"^([A-Za-z_:][\w:]*)[{ ]", text, re.MULTILINE))
