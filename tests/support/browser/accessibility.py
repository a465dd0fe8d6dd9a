"""Accessibility of what a page shows, as axe-core finds it."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def check_accessible(page: Page) -> None:
    """Check that axe-core finds no violation of any of its rules on ``page``."""
    violations: list[dict[str, Any]] = Axe().run(page).response["violations"]
    told = [f"{each['id']}: {each['help']}: {_places(each)}" for each in violations]
    assert not told, "\n".join(told)


def _places(violation: dict[str, Any]) -> str:
    return "; ".join(f"{node['html'][:200]} ({node.get('failureSummary', '')})" for node in violation["nodes"])
