"""Sending files: with a preview before, over lines that break, after a reload, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from contracts.names import BYTES_PER_MB
from csvpipe.demo_data import write_flights
from tests.support.browser.observed import Observed
from tests.support.browser.uploader_page import UploaderPage
from tests.support.network.line import Cut, Line, network_line
from tests.support.pipeline.csv_data import CsvFile, write_csv
from tests.support.pipeline.pipeline import Pipeline
from tests.support.uploader.comparison import describe
from tests.support.waiting import wait_until

LANDS_WITHIN_MS = 180_000
SENT_WITHIN_MS = 120_000


@pytest.fixture
def line(pipeline: Pipeline) -> Iterator[Line]:
    """Give a line to the uploader."""
    with network_line(*pipeline.uploader_address) as line:
        yield line


@pytest.fixture
def distant_page(tab: Page, line: Line) -> UploaderPage:
    """Give the page at the near end of the line."""
    return UploaderPage(tab, f"http://{line.address}")


def test_real_file_is_previewed_sent_and_lands(
    page: UploaderPage, pipeline: Pipeline, observed: Observed, tmp_path: Path
) -> None:
    flights = write_flights(tmp_path)
    page.enter(pipeline.client_key)
    page.choose_files(flights)
    chosen = page.card(flights.name)
    expect(chosen).to_contain_text("Nothing is wrong with the first")
    expect(chosen.get_by_role("columnheader", name="tailnum")).to_be_visible()
    expect(chosen.get_by_role("cell", name="N14228").first).to_be_visible()
    assert observed.asked("POST", "/files") == [], "something was sent before the user has seen what is in the file"
    page.choose_dataset("sent-by-page", chunk_mb=5)
    page.send_button.click()
    page.follow_sent(flights.name)
    expect(page.step("landed")).to_contain_text("landed, done", timeout=LANDS_WITHIN_MS)
    upload_id = page.upload_id
    pipeline.wait_until_landed(upload_id)
    assert "VERIFIED" in pipeline.run_csvpipe("verify", upload_id, "--source", str(flights))


def test_break_and_reload_in_the_middle_leave_the_same_chunks_as_one_plain_upload(
    distant_page: UploaderPage, pipeline: Pipeline, line: Line, observed: Observed, tmp_path: Path
) -> None:
    page, file = distant_page, write_csv(tmp_path / "data.csv", size_bytes=30 * BYTES_PER_MB, quoted=True)
    page.enter(pipeline.client_key)
    page.choose_files(file.path)
    page.choose_dataset("sent-in-pieces", chunk_mb=2)
    line.cut_after(4 * BYTES_PER_MB, Cut.RESET)
    page.send_button.click()
    expect(page.card(file.path.name)).to_contain_text("The connection broke. Trying again")
    # The rest would take a minute and a half: all of it must not be there before the reload.
    line.slow_down(BYTES_PER_MB // 4)
    line.mend()
    wait_until(
        lambda: pipeline.half_received_bytes() >= 5 * BYTES_PER_MB, what="sending goes on", deadline_s=90, poll_s=0.1
    )

    page.tab.reload()
    expect(page.tab.get_by_role("heading", name="Not finished")).to_be_visible()
    line.slow_down(0)
    page.tab.get_by_label(f"Choose {file.path.name} again").set_input_files(file.path)
    expect(page.card(file.path.name)).to_contain_text("where it had stopped")
    page.follow_sent(file.path.name)
    assert len(observed.asked("POST", "/files")) == 1
    offsets = [int(each.headers["upload-offset"]) for each in observed.requests if each.method == "PATCH"]
    assert offsets[0] == 0
    assert offsets[-1] >= 5 * BYTES_PER_MB

    upload_id = page.upload_id
    assert _description(pipeline, upload_id) == _description_of_plain_upload(pipeline, file)
    pipeline.wait_until_landed(upload_id)


def test_lost_answer_to_the_creation_leaves_no_second_upload(
    page: UploaderPage, pipeline: Pipeline, tmp_path: Path
) -> None:
    locations = []

    def create(route: Route) -> None:
        answer = route.fetch()
        locations.append(answer.headers["location"])
        if len(locations) == 1:
            route.abort("connectionreset")
        else:
            route.fulfill(response=answer)

    file = write_csv(tmp_path / "data.csv", size_bytes=BYTES_PER_MB)
    page.enter(pipeline.client_key)
    page.choose_files(file.path)
    page.choose_dataset("created-once", chunk_mb=1)
    page.tab.route("**/files", create)
    page.send_button.click()
    page.follow_sent(file.path.name)
    assert len(locations) == 2
    assert locations[0] == locations[1]
    pipeline.wait_until_landed(page.upload_id)


def test_fault_in_the_beginning_is_shown_before_sending(page: UploaderPage, pipeline: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    path.write_bytes(b"id,name\r\n1,one\r\n2,two,too many\r\n3,three\r\n")
    page.enter(pipeline.client_key)
    page.choose_files(path)
    refusal = page.card(path.name).get_by_role("alert")
    expect(refusal).to_contain_text("The service would refuse this file: 1 fault")
    expect(refusal).to_contain_text("row 2, byte 16: ")


def test_fault_after_the_beginning_is_refused_with_its_place(
    page: UploaderPage, pipeline: Pipeline, tmp_path: Path
) -> None:
    path = tmp_path / "broken.csv"
    good = b"".join(b"%d,name of %d\r\n" % (row, row) for row in range(1, 200_000))
    path.write_bytes(b"id,name\r\n" + good + b"1,2,3\r\n" + good)
    page.enter(pipeline.client_key)
    page.choose_files(path)
    expect(page.card(path.name)).to_contain_text("The rest is checked while it is sent.")
    page.choose_dataset("refused", chunk_mb=1)
    page.send_button.click()
    refusal = page.card(path.name).get_by_role("alert")
    expect(refusal).to_contain_text("[invalid_csv]", timeout=SENT_WITHIN_MS)
    expect(refusal).to_contain_text(f"row 200,000, byte {9 + len(good):,}: ")
    assert pipeline.uploads_of("refused") == []
    page.tab.get_by_role("button", name=f"Remove {path.name} from the list").click()
    expect(page.card(path.name)).to_have_count(0)


def test_missing_dataset_is_asked_for(page: UploaderPage, pipeline: Pipeline, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "data.csv", size_bytes=1_000)
    page.enter(pipeline.client_key)
    page.choose_files(file.path)
    page.send_button.click()
    expect(page.tab.get_by_text("Enter the dataset.")).to_be_visible()
    expect(page.tab.get_by_label("Dataset")).to_be_focused()


def test_keyboard_is_enough_to_send_a_file(page: UploaderPage, pipeline: Pipeline, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "data.csv", size_bytes=BYTES_PER_MB)
    keyboard = page.tab.keyboard
    page.open("send")
    page.tab_to(page.tab.get_by_label("Key", exact=True))
    keyboard.type(pipeline.client_key)
    keyboard.press("Enter")
    page.expect_view("Send")
    page.tab_to(page.tab.get_by_label("Choose files"))
    with page.tab.expect_file_chooser() as chooser:
        keyboard.press("Enter")
    chooser.value.set_files(file.path)
    page.tab_to(page.tab.get_by_label("Dataset"))
    keyboard.type("sent-by-keyboard")
    keyboard.press("Enter")
    link = page.tab.get_by_role("link", name=f"See what becomes of {file.path.name}")
    expect(link).to_be_visible(timeout=SENT_WITHIN_MS)
    page.tab_to(link)
    keyboard.press("Enter")
    expect(page.step("received")).to_contain_text("received, done")


def _description(pipeline: Pipeline, upload_id: str) -> dict[str, object]:
    return describe(pipeline.get(f"/uploads/{upload_id}/manifest"))


def _description_of_plain_upload(pipeline: Pipeline, file: CsvFile) -> dict[str, object]:
    plain = pipeline.upload(file, "sent-in-pieces", "size", 2)
    return _description(pipeline, plain["upload_id"])
