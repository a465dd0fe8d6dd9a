"""One line for each record of the log, as text or as JSON."""

from __future__ import annotations

import json
import logging

import pytest

from sequencer.logging import configure_logging
from sequencer.settings import JobSettings


def configured(**given: str) -> logging.Logger:
    configure_logging(JobSettings(_env_file=None, job_id="j", kafka_topic="t", **given))  # type: ignore[arg-type]
    return logging.getLogger("sequencer.job.job")


def failed(log: logging.Logger) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.exception("it has\nfailed")


def test_text_is_one_line_with_time_level_and_logger(capsys: pytest.CaptureFixture[str]) -> None:
    log = configured(log_level="WARNING")
    log.info("not this")
    log.warning("two\nlines of %s", "größe")
    (line,) = capsys.readouterr().err.splitlines()
    moment, _, rest = line.partition(" ")
    assert moment.endswith("Z")
    assert rest == "WARNING sequencer.job.job: two\\nlines of größe"


def test_traceback_follows_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    failed(configured())
    first, *trace = capsys.readouterr().err.splitlines()
    assert first.endswith("ERROR sequencer.job.job: it has\\nfailed")
    assert trace[0].startswith("Traceback")


def test_json_is_one_object_a_line_with_the_job(capsys: pytest.CaptureFixture[str]) -> None:
    log = configured(log_format="json")
    log.info("größe")
    failed(log)
    plain, trace = map(json.loads, capsys.readouterr().err.splitlines())
    assert (plain["message"], plain["level"], plain["logger"]) == ("größe", "INFO", "sequencer.job.job")
    assert (plain["job_id"], plain["topic"], plain["partition"]) == ("j", "t", 0)
    assert "exception" not in plain
    assert trace["exception"].startswith("Traceback")
