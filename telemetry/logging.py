"""The log of a process: one line of text or of JSON for each record, on stderr.

A log call states one fact and passes values as fields::

    logger.info("Chunk landed", extra={"upload_id": upload_id, "chunk_id": 3, "size_bytes": 1024})

As text: ``2026-01-31T23:59:59.123Z INFO uploader.uploads: Chunk landed upload_id=… chunk_id=3 size_bytes=1024``.
As JSON, each field is a key of the object. Records within a span have its ``trace_id`` as well.
No line has a key or a signature: clients put them into paths and fields where they do not belong.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

from contracts.hidden_secrets import hide_secrets
from contracts.printable import printable, printable_json
from contracts.spans import current_trace_id

LogFormat = Literal["text", "json"]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",  # from Python 3.12
    "color_message",  # uvicorn's
}
"""Attributes of a record that are not fields."""
_PLAIN = re.compile(r"[^\s\"=]+")
_NO_FIELDS: Mapping[str, object] = MappingProxyType({})
_NO_LEVELS: Mapping[str, int] = MappingProxyType({})


class BoundLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger that adds ``fields`` to each record; a field of the call itself takes precedence."""

    def __init__(self, logger: logging.Logger, **fields: object) -> None:
        super().__init__(logger, fields)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:  # noqa: ANN401  as in the base
        """Merge the fields into ``extra``."""
        return msg, {**kwargs, "extra": {**(self.extra or {}), **(kwargs.get("extra") or {})}}


class TextFormatter(logging.Formatter):
    """``2026-01-31T23:59:59.123Z INFO uploader.uploads.outbox: message key=value``, then the traceback, if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Return ``record`` as one line without control characters: client input must not look like another record."""
        fields = "".join(f" {name}={_quote(value)}" for name, value in _fields_of(record).items())
        line = printable(f"{_utc(record)} {record.levelname} {record.name}: {record.getMessage()}{fields}")
        if record.exc_info:
            line += f"\n{printable(self.formatException(record.exc_info), keep_line_ends=True)}"
        return hide_secrets(line)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ``time``, ``level``, ``logger``, ``message``, the fields, and ``exception``.

    Args:
        fields: keys of every line; a field of the record itself takes precedence.
    """

    def __init__(self, fields: Mapping[str, object] = _NO_FIELDS) -> None:
        super().__init__()
        self._common = dict(fields)

    def format(self, record: logging.LogRecord) -> str:
        """Return ``record`` as JSON."""
        line = {
            **self._common,
            **_fields_of(record),
            "time": _utc(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        first = ("time", "level", "logger", "message")
        ordered = {name: line[name] for name in first} | {k: v for k, v in line.items() if k not in first}
        return hide_secrets(printable_json(json.dumps(ordered, ensure_ascii=False, default=str)))


class _OwnHandler(logging.StreamHandler[Any]):
    """Marks the handler as ours, so that a second set-up replaces it."""


def configure_logging(
    *,
    level: str,
    form: LogFormat,
    fields: Mapping[str, object] = _NO_FIELDS,
    levels: Mapping[str, int] = _NO_LEVELS,
) -> None:
    """Send the records of this process to stderr. Handlers that others added stay.

    Args:
        level: the least severe level that is logged.
        form: ``text`` or ``json``.
        fields: keys of every line of JSON, such as ``job_id``.
        levels: the least severe level of single loggers, for libraries that log too much.
    """
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _OwnHandler)]:
        root.removeHandler(handler)
    handler = _OwnHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(fields) if form == "json" else TextFormatter())
    root.addHandler(handler)
    root.setLevel(level)
    for name, least in levels.items():
        logging.getLogger(name).setLevel(least)


def _fields_of(record: logging.LogRecord) -> dict[str, object]:
    fields = {name: value for name, value in vars(record).items() if name not in _STANDARD and value is not None}
    trace_id = current_trace_id()
    if trace_id is not None:
        fields.setdefault("trace_id", trace_id)
    return fields


def _quote(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _utc(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
