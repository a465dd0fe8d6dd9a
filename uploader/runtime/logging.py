"""One log set-up: a line of text or of JSON for each record, with the upload's id where there is one."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal

from contracts.printable import printable, printable_json

_UVICORN_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access")


class UploadLog(logging.LoggerAdapter[logging.Logger]):
    """A logger whose lines belong to one upload: ``[{upload_id}] message``."""

    def __init__(self, logger: logging.Logger, upload_id: str) -> None:
        super().__init__(logger, {"upload_id": upload_id})

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:  # noqa: ANN401  as in the base
        """Add the id to the text, for people, and to the record, for programs."""
        extra = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return f"[{extra['upload_id']}] {msg}", {**kwargs, "extra": extra}


class TextFormatter(logging.Formatter):
    """``2026-01-31T23:59:59.123Z INFO uploader.uploads.outbox: [id] message``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802  as in the base
        """Return the record's time in UTC, with milliseconds."""
        return _utc(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  as in the base
        """Return the line without control characters: what a client sends must not look like another record."""
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: ANN401, N802  as in the base
        """Return the traceback without control characters but its line ends."""
        return printable(super().formatException(ei), keep_line_ends=True)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time, level, logger, message`` and, where known, ``upload_id`` and ``exception``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return ``record`` as JSON."""
        line = {
            "time": _utc(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        upload_id = getattr(record, "upload_id", None)
        if upload_id is not None:
            line["upload_id"] = upload_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return printable_json(json.dumps(line, ensure_ascii=False))


class _OurHandler(logging.StreamHandler[Any]):
    """Marks the handler as ours, so that setting up twice changes nothing."""


def configure_logging(*, level: str, form: Literal["text", "json"]) -> None:
    """Send the records of this process to stderr, uvicorn's too. Handlers that others added stay."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _OurHandler)]:
        root.removeHandler(handler)
    handler = _OurHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root.addHandler(handler)
    root.setLevel(level)
    for name in _UVICORN_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # While Kafka is away its client logs several lines a second; the outbox says the same once.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _utc(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
