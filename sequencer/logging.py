"""The log of a job: a line of text or of JSON for each record, on stderr."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from contracts.printable import printable, printable_json
from sequencer.settings import JobSettings

_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime"}


class TextFormatter(logging.Formatter):
    """``2026-01-31T23:59:59.123Z INFO sequencer.job.job: message``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return ``record`` as one line, and the traceback, where there is one, below it."""
        fields = "".join(f" {name}={_quoted(value)}" for name, value in _fields(record).items())
        line = printable(f"{_utc(record)} {record.levelname} {record.name}: {record.getMessage()}{fields}")
        if not record.exc_info:
            return line
        return f"{line}\n{printable(self.formatException(record.exc_info), keep_line_ends=True)}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time, level, logger, message, job_id, topic, partition``, and ``exception``."""

    def __init__(self, settings: JobSettings) -> None:
        super().__init__()
        self._job = {
            "job_id": settings.job_id,
            "topic": settings.kafka_topic,
            "partition": settings.kafka_partition,
        }

    def format(self, record: logging.LogRecord) -> str:
        """Return ``record`` as JSON."""
        line = {
            "time": _utc(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._job,
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return printable_json(json.dumps(line, ensure_ascii=False, default=str))


def configure_logging(settings: JobSettings) -> None:
    """Send the records of this process to stderr, in the form that the settings name."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(settings) if settings.log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    # Its warnings come as errors to callbacks as well, but for those about options that are meant.
    logging.getLogger("librdkafka").setLevel(logging.ERROR)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """Return what was given as ``extra``."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or " " in text or '"' in text else text


def _utc(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
