from __future__ import annotations

import json
import logging

import pytest

from contracts.spans import NoSpans
from telemetry.logging import BoundLogger, configure_logging

TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"
logger = logging.getLogger("telemetry.test")


def test_text_has_the_fields_after_the_message(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="INFO", form="text")
    logger.info("Chunk landed", extra={"chunk_id": 3, "path": "a b.csv", "error": None})
    line = capsys.readouterr().err
    assert line.endswith('INFO telemetry.test: Chunk landed chunk_id=3 path="a b.csv"\n')
    assert (line[10], line.split()[0][-1]) == ("T", "Z")


def test_json_has_the_fields_as_keys(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="INFO", form="json", fields={"job_id": "j", "topic": "t"})
    logger.info("Chunk landed", extra={"chunk_id": 3, "topic": "other"})
    line = json.loads(capsys.readouterr().err)
    assert list(line)[:4] == ["time", "level", "logger", "message"]
    assert (line["message"], line["chunk_id"], line["job_id"], line["topic"]) == ("Chunk landed", 3, "j", "other")


def test_bound_fields_are_in_every_record(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="INFO", form="json")
    log = BoundLogger(logger, upload_id="u")
    log.info("Received", extra={"size_bytes": 1})
    log.info("Deleted")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["upload_id"], first["size_bytes"]) == ("u", 1)
    assert second["upload_id"] == "u"


def test_record_within_a_span_has_its_trace_id(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="INFO", form="json")
    with NoSpans().span("upload", parent=TRACEPARENT):
        logger.info("Received")
    logger.info("Idle")
    inside, outside = map(json.loads, capsys.readouterr().err.splitlines())
    assert inside["trace_id"] == "a" * 32
    assert "trace_id" not in outside


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_field_forges_another_line(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="INFO", form=form)  # type: ignore[arg-type]
    logger.error("Failed", extra={"error": "x\r\n2026-01-31T23:59:59.123Z INFO forged: \x1b[2J\u2028"})
    [line] = capsys.readouterr().err.splitlines()
    assert "\x1b" not in line
    assert "\u2028" not in line


def test_second_set_up_replaces_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="INFO", form="text")
    configure_logging(level="WARNING", form="text", levels={"telemetry.noisy": logging.ERROR})
    logger.warning("once")
    logger.info("below the level")
    logging.getLogger("telemetry.noisy").warning("below its level")
    assert capsys.readouterr().err.count("\n") == 1


def test_traceback_follows_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="INFO", form="text")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logger.exception("Failed", extra={"chunk_id": 1})
    first, *traceback = capsys.readouterr().err.splitlines()
    assert first.endswith("ERROR telemetry.test: Failed chunk_id=1")
    assert traceback[0].startswith("Traceback")


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_line_has_a_key_or_a_signature(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="INFO", form=form)  # type: ignore[arg-type]
    key, signature = f"csvp_abcd1234_{'k' * 43}", f"v1.1790000000.k1.{'m' * 43}"
    logger = logging.getLogger("telemetry.test")
    logger.info('%s - "%s %s HTTP/1.1" %d', "127.0.0.1:1", "GET", f"/own-key?key={key}", 401)
    logger.info("Request failed", extra={"path": f"//download//{signature}"})
    try:
        raise ValueError(key)
    except ValueError:
        logger.exception("failed")
    shown = capsys.readouterr().err
    assert ("csvp_abcd1234_***" in shown, "v1.1790000000.k1.***" in shown) == (True, True)
    assert ("k" * 43 not in shown, "m" * 43 not in shown) == (True, True)
