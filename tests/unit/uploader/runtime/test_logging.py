from __future__ import annotations

import json
import logging

import pytest

from uploader.runtime.logging import UploadLog, configure_logging

UPLOAD_ID = "a" * 32


def test_text_line_has_the_upload_as_a_field(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="INFO", form="text")
    UploadLog(logging.getLogger("uploader.test"), UPLOAD_ID).info("Chunk %d/%d: %s processed", 3, 17, "x.csv")
    line = capsys.readouterr().err
    assert line.endswith(f"INFO uploader.test: Chunk 3/17: x.csv processed upload_id={UPLOAD_ID}\n")


def test_json_line_has_the_upload_as_a_field(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="INFO", form="json")
    UploadLog(logging.getLogger("uploader.test"), UPLOAD_ID).error('quote " newline \n')
    logging.getLogger("uvicorn.access").info("GET")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert first["upload_id"] == UPLOAD_ID
    assert first["message"] == 'quote " newline \n'
    assert (first["level"], first["logger"]) == ("ERROR", "uploader.test")
    assert "upload_id" not in second


def test_exception_is_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="INFO", form="json")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("uploader.test").exception("failed")
    [line] = capsys.readouterr().err.splitlines()
    assert "ValueError: two\nlines" in json.loads(line)["exception"]


def test_repeated_setup_logs_every_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="INFO", form="text")
    configure_logging(level="WARNING", form="text")
    logging.getLogger("uploader.test").warning("once")
    logging.getLogger("uploader.test").info("not at this level")
    assert capsys.readouterr().err.count("\n") == 1


def test_what_a_client_sends_cannot_look_like_another_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="INFO", form="text")
    logger = logging.getLogger("uploader.test")
    logger.error("failed: %s", "x\r\n2026-01-31T23:59:59.123Z INFO uploader.uploads.service: [id] Landed: all 3 chunks")
    [line] = capsys.readouterr().err.splitlines()
    assert "failed: x\\r\\n2026-01-31" in line
    try:
        raise ValueError("as always")
    except ValueError:
        logger.exception("failed")
    assert len(capsys.readouterr().err.splitlines()) > 2, "a traceback is ours, and keeps its lines"
