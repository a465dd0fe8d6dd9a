"""What the alert rules and the dashboards in monitoring/ ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MONITORING = Path(__file__).resolve().parents[2] / "monitoring"
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


def metrics_of(expression: str) -> set[str]:
    """Return the names of the series in a PromQL expression."""
    text = expression
    while (shorter := _NO_METRICS.sub(" ", text)) != text:
        text = shorter
    return set(re.findall(r"[A-Za-z_:][\w:]*", text))


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
