"""``python -m tests.support.browser.screenshots``: write the pictures of docs/how-to/page.md.

They show the page on the real stack, with real flights: look at them before they are committed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, expect

from csvpipe.demo_data import write_flights
from stack.report import ConsoleReport
from tests.support.browser.chromium import running_chromium
from tests.support.browser.uploader_page import UploaderPage
from tests.support.network.line import network_line
from tests.support.pipeline.pipeline import Pipeline
from tests.support.services import running_stack

IMAGES = Path(__file__).parents[3] / "docs" / "images"
_MOST_BYTES = 150_000
_SIZE: ViewportSize = {"width": 1280, "height": 1000}
_SLOW_BYTES_PER_S = 4_000_000


def main() -> None:
    """Start a stack and a browser, and take every picture."""
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as place,
        running_stack(Path(place) / "stack", None, report=ConsoleReport()) as stack,
        running_chromium() as browser,
    ):
        context = browser.new_context(viewport=_SIZE, color_scheme="light", reduced_motion="reduce")
        _take_all(context.new_page(), Pipeline(stack), Path(place))


def _take_all(tab: Page, pipeline: Pipeline, place: Path) -> None:
    flights, airports = write_flights(place), place / "airports.csv"
    _write_broken(airports)
    with network_line(*pipeline.uploader_address) as line:
        page = UploaderPage(tab, f"http://{line.address}")
        page.enter(pipeline.client_key)
        page.expect_view("Send")
        page.choose_files(flights)
        expect(page.card(flights.name)).to_contain_text("Nothing is wrong with the first")
        page.choose_dataset("flights", chunk_mb=5)
        _take(tab, "page-preview")
        line.slow_down(_SLOW_BYTES_PER_S)
        page.send_button.click()
        page.expect_sent(flights.name, at_least_bytes=flights.stat().st_size // 2)
        _take(tab, "page-sending")
        line.slow_down(0)
        page.follow_sent(flights.name)
        expect(page.step("landed")).to_contain_text("landed, done", timeout=180_000)
        expect(tab.get_by_role("table", name="First rows")).to_be_visible()
        expect(tab.get_by_label("Program")).to_be_visible()
        _take(tab, "page-upload")
        page.go_to("Send")
        page.choose_files(airports)
        expect(page.card(airports.name)).to_contain_text("The service would refuse this file")
        _take(tab, "page-faults")


def _write_broken(path: Path) -> None:
    path.write_text(
        "faa,name,lat,lon\n04G,Lansdowne Airport,41.13,-80.62\n06A,Moton Field,Municipal Airport,32.46,-85.68\n"
        "06C,Schaumburg Regional,41.99,-88.10\n06N,Randall Airport,41.43\n"
    )


def _take(tab: Page, name: str) -> None:
    path = IMAGES / f"{name}.png"
    tab.screenshot(path=path, animations="disabled", caret="hide")
    assert path.stat().st_size < _MOST_BYTES, f"{path} has {path.stat().st_size:,} bytes"


if __name__ == "__main__":
    main()
