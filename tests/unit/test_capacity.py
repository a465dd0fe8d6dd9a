"""The page about capacity: its tables follow from the formulas, and its constants from what was measured."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest

from benchmarks.capacity import (
    CONSTANTS,
    GB,
    LOADS,
    NIFI,
    PAGE,
    TB,
    Assumptions,
    Constant,
    Load,
    OrderedLoad,
    fill,
)
from contracts.message import parse_message
from tests.support.docs.shell_blocks import ROOT
from uploader.settings import Settings

NIFI_SHOWN = f"{NIFI.value / 10**6:.1f} MB/s"
TEXT = PAGE.read_text(encoding="utf-8")
PERFORMANCE = (ROOT / "docs" / "explanation" / "performance.md").read_text(encoding="utf-8")


def test_tables_are_what_the_formulas_give() -> None:
    assert fill(TEXT) == TEXT, "run `python -m benchmarks.capacity --write`"


def test_table_that_was_changed_by_hand_is_noticed() -> None:
    assert fill(TEXT.replace("| uploader: workers | 2 |", "| uploader: workers | 3 |")) == TEXT


def test_page_without_the_marks_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs"):
        fill(TEXT.replace("<!-- table: needs -->", ""))


@pytest.mark.parametrize("constant", CONSTANTS, ids=lambda constant: constant.name)
def test_constant_is_quoted_from_the_performance_page(constant: Constant) -> None:
    (section,) = [part for part in PERFORMANCE.split("\n## ") if part.startswith(constant.section)]
    assert constant.quote in section


def test_rounded_constant_gives_the_number_of_nodes_in_the_table() -> None:
    shown = float(NIFI_SHOWN.removesuffix(" MB/s")) * 10**6
    assert [math.ceil(load.peak_rate / shown) for _, load in LOADS] == [load.nifi_nodes for _, load in LOADS]
    assert f"| {NIFI_SHOWN} |" in fill(TEXT)


def test_outage_in_the_busiest_hours_piles_up_what_they_bring_and_at_most_a_day() -> None:
    assert Load(volume=TB, file_bytes=GB, given=Assumptions(outage_hours=3)).least_disk == TB / 2
    assert Load(volume=TB, file_bytes=GB, given=Assumptions(outage_hours=6)).least_disk == TB
    assert Load(volume=TB, file_bytes=GB, given=Assumptions(outage_hours=12)).least_disk == TB
    assert Load(volume=TB, file_bytes=GB, given=Assumptions(outage_hours=36)).least_disk == 2 * TB


def test_one_day_by_hand() -> None:
    load = Load(volume=TB, file_bytes=GB)
    assert load.peak_rate == pytest.approx(46_296_296, rel=1e-6)
    assert (load.uploads, load.chunks_a_file, load.chunks) == (1_000, 20, 20_000)
    assert load.uploader_disk == 2 * TB
    assert load.least_disk == TB
    assert load.kafka_bytes == 20_000 * 1_000 * 7 * 3
    assert load.airflow_tasks == 4 * 1_000 + 4 * 1_000
    assert load.uploader_workers == 2
    assert load.nifi_nodes == 1


def test_file_of_more_chunks_than_a_batch_takes_more_runs() -> None:
    few = Load(volume=GB, file_bytes=GB, given=Assumptions(chunk_bytes=GB // 500))
    assert few.airflow_tasks == 8
    assert replace(few, given=Assumptions(chunk_bytes=GB // 501)).airflow_tasks == 16


def test_ordered_lane_by_hand() -> None:
    load = OrderedLoad(volume=97 * 448_000 * 3600 * 36)
    assert load.hours_of_one_partition == pytest.approx(36)
    assert load.partitions == 2
    assert load.json_bytes == pytest.approx(232 * 448_000 * 3600 * 36)


def test_assumptions_are_the_defaults_of_the_uploader() -> None:
    settings = Settings.model_fields
    assert Assumptions().keep_hours == settings["cleanup_after_hours"].default
    assert Assumptions().chunk_bytes == settings["chunk_size_mb"].default * 1024 * 1024


def test_assumed_message_is_no_smaller_than_the_published_example() -> None:
    found = re.search(r"```json\n(.*?)```", (ROOT / "docs" / "reference" / "messages.md").read_text(), re.DOTALL)
    assert found is not None
    size = len(parse_message(json.dumps(json.loads(found[1])).encode()).to_bytes())
    assert 0.5 * Assumptions().message_bytes < size <= Assumptions().message_bytes
