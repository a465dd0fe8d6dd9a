"""The trickle's own judge: a call that is not served, and an upload that does not land, fail the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from tests.support.pipeline.csv_data import CsvFile
from tests.support.pipeline.pipeline import Pipeline
from tests.support.pipeline.trickle import trickle_of_uploads


class FakePipeline:
    """Lands everything at once, or what a test says."""

    def __init__(self, *, upload_fault: Exception | None = None, landing_fault: Exception | None = None) -> None:
        self.datasets: list[str] = []
        self.checked: list[str] = []
        self._upload_fault = upload_fault
        self._landing_fault = landing_fault

    def upload(self, file: CsvFile, dataset: str, *_: object) -> dict[str, Any]:
        if self._upload_fault:
            raise self._upload_fault
        self.datasets.append(dataset)
        return {"upload_id": f"id of {dataset}"}

    def status(self, _: str) -> dict[str, Any]:
        return {"status": "landed"}

    def wait_until_landed(self, _: str, *, deadline_s: float) -> None:
        if self._landing_fault:
            raise self._landing_fault

    def check_landed_exactly_once(self, _: str, dataset: str, file: CsvFile) -> None:
        self.checked.append(dataset)

    def describe(self) -> str:
        return "logs"


def _run(pipeline: FakePipeline, folder: Path, uploads: int) -> None:
    with trickle_of_uploads(cast("Pipeline", pipeline), folder, name="small") as trickle:
        for _ in range(uploads):
            trickle.next_upload()


def test_every_accepted_upload_is_checked(tmp_path: Path) -> None:
    pipeline = FakePipeline()
    _run(pipeline, tmp_path, 2)
    assert pipeline.checked == pipeline.datasets
    assert len(pipeline.checked) >= 2


def test_call_that_is_not_served_fails(tmp_path: Path) -> None:
    pipeline = FakePipeline(upload_fault=httpx.ConnectError("refused"))
    with pytest.raises(AssertionError, match="upload 0: ConnectError"):
        _run(pipeline, tmp_path, 1)


def test_upload_that_does_not_land_fails(tmp_path: Path) -> None:
    pipeline = FakePipeline(landing_fault=AssertionError("not landed"))
    with pytest.raises(AssertionError, match="not landed"):
        _run(pipeline, tmp_path, 1)
