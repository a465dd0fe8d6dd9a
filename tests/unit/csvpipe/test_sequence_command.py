"""The exit code of ``csvpipe sequence`` says whether a job is done, or was stopped before its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import csvpipe.commands.sequence
from csvpipe.cli import main
from sequencer.model.checkpoint import Checkpoint, JobStatus
from sequencer.model.progress import Progress
from sequencer.model.source_position import SourcePosition
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest, StopRequestedError


def ended(status: JobStatus) -> Checkpoint:
    return Checkpoint(
        job_id="job",
        timestamp=datetime.now(UTC),
        status=status,
        topic="rows",
        partition=0,
        first_offset=0,
        place=SourcePosition(0, 0, 0),
        sources=(),
    )


@pytest.mark.parametrize(
    ("statuses", "given", "code"),
    [
        ([JobStatus.DONE], "75", 0),
        ([JobStatus.STOPPED], "75", 75),
        ([JobStatus.DONE, JobStatus.STOPPED], "75", 75),
        ([JobStatus.STOPPED], "", 0),
        ([], "75", 75),
    ],
    ids=["done", "stopped", "one-of-two-stopped", "stopped-without-the-setting", "stopped-while-ranges-are-planned"],
)
def test_stopped_job_ends_with_the_code_that_was_asked_for(
    statuses: list[JobStatus], given: str, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fake_run(_settings: JobSettings, *, observers: Sequence[Any], **_more: Any) -> list[Checkpoint]:
        for observe in observers:
            observe("job", Progress(total_bytes=1))
        if not statuses:
            raise StopRequestedError("SIGTERM")
        return [ended(status) for status in statuses]

    for name in JobSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    monkeypatch.setattr(csvpipe.commands.sequence, "run_process", fake_run)
    monkeypatch.setenv("STOPPED_EXIT_CODE", given)
    options = ["--source", "a.csv", "--bootstrap-servers", "b:9092", "--topic", "rows", "--job-id", "job"]
    with pytest.raises(SystemExit) as exited:
        main(["sequence", *options])
    assert (exited.value.code or 0) == code


def test_names_with_blanks_are_read_as_they_were_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in JobSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("Sales Report.csv", "more of it.csv"):
        (tmp_path / name).write_text("a,b\n1,2\n")
    with pytest.raises(SystemExit) as exited:
        main(["sequence", "--source", "Sales Report.csv", "--source", "more of it.csv", "--dry-run"])
    assert not exited.value.code
    assert "2 records of" in capsys.readouterr().out


def test_summary_tells_of_records_that_the_job_has_found() -> None:
    found = replace(ended(JobStatus.DONE), total_sent=1500, found_records=1000)
    text = csvpipe.commands.sequence._summary(found, Progress(), StopRequest())
    assert "1,500 records" in text
    assert "1,000" in text
    assert "rows[0]" in text
