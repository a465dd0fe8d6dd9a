"""Loggers for task code: the fields of a line are part of its message."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, MutableMapping
from typing import Any

_PLAIN = re.compile(r"[^\s\"=]+")


class TaskLogger(logging.LoggerAdapter[logging.Logger]):
    """Appends the ``extra`` fields of a line to its message, as ``key=value``.

    Airflow 3.3 writes the message of a log record to the task log and drops its ``extra`` fields. The result looks like
    a line of :class:`telemetry.logging.TextFormatter`. The fields are also passed on, for handlers that use them.
    """

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:  # noqa: ANN401 - the base class's
        """Return the message with its fields."""
        fields: Mapping[str, object] = kwargs.get("extra") or {}
        texts = [f"{name}={_quote(value)}" for name, value in fields.items() if value is not None]
        return " ".join([str(msg), *texts]), kwargs


def task_logger(name: str) -> TaskLogger:
    """Return the logger of the module ``name``."""
    return TaskLogger(logging.getLogger(name), {})


def _quote(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
