"""Metrics used by the alert rules and dashboards in monitoring/."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

MONITORING = Path(__file__).resolve().parents[3] / "monitoring"
RULES = sorted((MONITORING / "prometheus" / "rules").glob("*.yml"))
RULE_TESTS = sorted((MONITORING / "prometheus" / "tests").glob("*.yml"))
DASHBOARDS = sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))
_NO_METRICS = re.compile(
    r"""
    "[^"]*" | \{[^}]*\} | \[[^\]]*\]                                  # strings, selectors, ranges
    | \b(?:by|without|on|ignoring|group_left|group_right) \s* \([^)]*\)  # labels
    | \b\d[\d.]*[a-z]*\b                                              # numbers and durations
    | \b\w+ \s* (?=\()                                                # functions
    | \b(?:and|or|unless|bool|offset)\b
    """,
    re.VERBOSE,
)

_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_PLAIN = re.compile(r"[\w/-]+(?:\|[\w/-]+)*")
"""A pattern that is nothing but alternatives."""


def metrics_of(expression: str) -> set[str]:
    """Return the names of the series in a PromQL expression."""
    text = expression
    while (shorter := _NO_METRICS.sub(" ", text)) != text:
        text = shorter
    return set(re.findall(r"[A-Za-z_:][\w:]*", text))


@dataclass(frozen=True)
class Matcher:
    """What a selector in an expression says of one label. ``values`` are those that it names; none for a pattern."""

    metric: str
    label: str
    values: tuple[str, ...] = ()


def matchers_of(expression: str) -> list[Matcher]:
    """Return what the selectors of a PromQL expression say of labels."""
    return [
        Matcher(metric, label, () if "~" in operator and not _PLAIN.fullmatch(value) else tuple(value.split("|")))
        for metric, selector in re.findall(r"([A-Za-z_:][\w:]*)\{([^}]*)\}", expression)
        for label, operator, value in _MATCHER.findall(selector)
    ]


def grouped_labels_of(expression: str) -> set[str]:
    """Return the labels that a PromQL expression groups by, but for those that Prometheus adds itself."""
    groups = re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", expression)
    return {label for group in groups for label in re.findall(r"\w+", group)} - {"instance", "job"}


def faults_of(expression: str, series: Mapping[str, Sequence[Mapping[str, str]]]) -> list[str]:
    """Return what an expression asks of labels that ``series`` (labels of each, by name) have not.

    Metrics that are not there at all are another's matter.
    """
    faults = []
    for matcher in matchers_of(expression):
        there = {labels[matcher.label] for labels in series.get(matcher.metric, []) if matcher.label in labels}
        if matcher.metric in series and not there:
            faults.append(f"{matcher.metric} has no label {matcher.label}")
        elif matcher.metric in series:
            missing = [value for value in matcher.values if value not in there]
            faults += [f"{matcher.metric} has no {matcher.label}={value!r}" for value in missing]
    asked = metrics_of(expression)
    if asked <= series.keys():
        there = {label for metric in asked for labels in series[metric] for label in labels}
        faults += [
            f"nothing has a label {label} to group by" for label in sorted(grouped_labels_of(expression) - there)
        ]
    return faults


def alerts() -> Iterator[dict[str, Any]]:
    """Give every alert rule."""
    for file in RULES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]


def panels(dashboard: Path) -> list[dict[str, Any]]:
    """Return the panels that show something."""
    found: list[dict[str, Any]] = json.loads(dashboard.read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Give every expression with the place where it stands."""
    for alert in alerts():
        yield alert["alert"], alert["expr"]
    for dashboard in DASHBOARDS:
        for panel in panels(dashboard):
            for target in panel["targets"]:
                yield f"{dashboard.name}: {panel['title']}", target["expr"]
