"""Chromium, started once, and a fresh context for each test, which must ask no other host and log no error."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.browser.chromium import running_chromium
from tests.support.browser.observed import Observed

_KEPT = Path(__file__).parents[2] / "build" / "browser"
"""Where the trace and a screenshot of each page of a failed test are kept."""
_FAILED = pytest.StashKey[bool]()
_WIDTH, _HEIGHT = 1280, 900


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether the test has failed, for the fixture that keeps its trace."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with running_chromium() as running:
        yield running


@pytest.fixture
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """Yield a context with nothing in it. What it showed and did is kept if the test fails."""
    context = browser.new_context(viewport={"width": _WIDTH, "height": _HEIGHT}, color_scheme="light", locale="en-GB")
    context.tracing.start(screenshots=True, snapshots=True)
    yield context
    if request.node.stash.get(_FAILED, False):
        kept = _KEPT / re.sub(r"[^\w.-]+", "_", request.node.name)
        for number, page in enumerate(context.pages, start=1):
            page.screenshot(path=kept / f"page-{number}.png", full_page=True)
        context.tracing.stop(path=kept / "trace.zip")
    context.close()


@pytest.fixture
def observed(context: BrowserContext) -> Observed:
    """Give what the pages do besides what they show."""
    return Observed(context)


@pytest.fixture
def page(context: BrowserContext, observed: Observed, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Yield a page that must ask no other host, log no error, and keep to its Content-Security-Policy."""
    yield context.new_page()
    try:
        observed.check()
    except AssertionError:
        request.node.stash[_FAILED] = True
        raise
