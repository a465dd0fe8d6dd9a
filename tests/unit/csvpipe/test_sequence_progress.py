"""Progress of running jobs: log lines, or bars on a terminal."""

from __future__ import annotations

import io
import logging
from unittest.mock import patch

import pytest
from rich.console import Console

from csvpipe import sequence_progress
from csvpipe.sequence_progress import progress_fields, showing
from sequencer.model.progress import Progress
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def log_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="sequencer.progress")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Return what is written to a terminal."""
    screen = io.StringIO()
    monkeypatch.setattr(sequence_progress, "messages", lambda: Console(file=screen, force_terminal=True, width=200))
    return screen


def sent(**given: float) -> Progress:
    counters = {"total_bytes": 1000, "bytes_read": 250, "records_sent": 300, "last_line": 310, "sending_s": 2.0}
    return Progress(**{**counters, **given})  # type: ignore[arg-type]  # counters are whole numbers


def test_fields_have_row_rate_and_share_of_the_source() -> None:
    assert progress_fields("job", sent()) == {
        "job_id": "job",
        "row": 310,
        "records": 300,
        "duration_s": 2,
        "records_per_s": 150,
        "source_percent": 25.0,
    }


def test_empty_source_is_read_completely_and_no_time_is_no_division_by_zero() -> None:
    assert progress_fields("job", sent(total_bytes=0, sending_s=0.0))["source_percent"] == 100.0


def logged(record: logging.LogRecord) -> tuple[str, int, int]:
    """Return job, row and number of records of a log line."""
    fields = vars(record)
    return fields["job_id"], fields["row"], fields["records"]


def test_last_state_is_logged_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    with showing() as shown:
        progress = Progress(total_bytes=1000)
        shown.add("job", progress)
        progress.records_sent, progress.last_line = 7, 8
    assert [logged(record) for record in caplog.records] == [("job", 8, 7)]


def test_each_of_several_jobs_is_logged_while_they_run(caplog: pytest.LogCaptureFixture) -> None:
    with patch.object(sequence_progress, "_LOG_S", 0.01), showing() as shown:
        shown.add("job.p0", sent())
        shown.add("job.p1", sent())
        for name in ("job.p0", "job.p1"):
            wait_until(
                lambda name=name: (name, 310, 300) in map(logged, caplog.records),  # type: ignore[misc]
                what="it is logged",
                deadline_s=20,
                poll_s=0.01,
            )


def test_job_that_has_sent_nothing_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with showing() as shown:
        shown.add("job", Progress(total_bytes=1000))
    assert caplog.messages == []


def test_terminal_shows_a_bar_with_row_and_bytes_and_no_log_lines(
    terminal: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    with showing() as shown:
        shown.add("job", sent(last_line=12_345))
    assert "job row 12,345" in terminal.getvalue()
    assert "250 B of 1000 B" in terminal.getvalue()
    assert caplog.messages == []


def test_progress_is_shown_to_the_end_of_a_job_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        with showing() as shown:
            shown.add("job", sent())
            raise RuntimeError("failed")

    with pytest.raises(RuntimeError, match="failed"):
        fail()
    assert len(caplog.messages) == 1
