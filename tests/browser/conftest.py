"""Chromium and the whole stack, started once, and a fresh context for each test.

Each test must ask no other host and log no error.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from stack.report import ConsoleReport
from tests.support.browser.chromium import running_chromium
from tests.support.browser.observed import Observed
from tests.support.browser.uploader_page import UploaderPage
from tests.support.pipeline.pipeline import Pipeline
from tests.support.services import running_stack

_KEPT = Path(__file__).parents[2] / "build" / "browser"
"""Where the trace and a screenshot of each page of a failed test are kept."""
_UPLOADER = {"REANNOUNCE_LIMIT": "0"}  # a chunk that has failed is left to the user
_AIRFLOW = {"CSV_INGESTION_LANDING_DEADLINE_S": "60"}  # instead of 10 minutes until a chunk has failed
_FAILED = pytest.StashKey[bool]()
_WAIT_MS = 90_000
"""As long as a machine that does much else may need for a click; a test that passes does not wait."""
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
    expect.set_options(timeout=_WAIT_MS)
    with running_chromium() as running:
        yield running


@pytest.fixture(scope="session")
def running_pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Yield Kafka, MinIO, NiFi, Airflow and the uploader, each the real service in its own process."""
    root = tmp_path_factory.mktemp("stack")
    with running_stack(
        root, None, report=ConsoleReport(), uploader_environment=_UPLOADER, airflow_environment=_AIRFLOW
    ) as stack:
        yield Pipeline(stack)


@pytest.fixture
def pipeline(running_pipeline: Pipeline) -> Pipeline:
    """Yield the pipeline with all processes running, whatever the previous test has stopped or frozen."""
    running_pipeline.begin_test()
    return running_pipeline


@pytest.fixture
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """Yield a context with nothing in it. What it showed and did is kept if the test fails."""
    context = browser.new_context(viewport={"width": _WIDTH, "height": _HEIGHT}, color_scheme="light", locale="en-GB")
    context.set_default_timeout(_WAIT_MS)
    context.tracing.start(screenshots=True, snapshots=True)
    yield context
    if request.node.stash.get(_FAILED, False):
        kept = _KEPT / re.sub(r"[^\w.-]+", "_", request.node.name)
        for number, tab in enumerate(context.pages, start=1):
            tab.screenshot(path=kept / f"page-{number}.png", full_page=True)
        context.tracing.stop(path=kept / "trace.zip")
    context.close()


@pytest.fixture
def observed(context: BrowserContext) -> Observed:
    """Give what the pages do besides what they show."""
    return Observed(context)


@pytest.fixture
def tab(context: BrowserContext, observed: Observed, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Yield a tab whose pages must ask no other host, log no error, and keep to their Content-Security-Policy."""
    yield context.new_page()
    try:
        observed.check()
    except AssertionError:
        request.node.stash[_FAILED] = True
        raise


@pytest.fixture
def page(tab: Page, pipeline: Pipeline) -> UploaderPage:
    """Give the page of the pipeline's uploader, not yet loaded."""
    return UploaderPage(tab, pipeline.uploader_url)
