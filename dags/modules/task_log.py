"""Loggers for task code: the fields of a line are part of its message."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, MutableMapping
from typing import Any


class TaskLogger(logging.LoggerAdapter[logging.Logger]):
    """Appends the ``extra`` fields of a line to its message, as ``key=value``.

    Airflow 3.3 writes the message of a log record to the task log and drops its ``extra`` fields. The fields are also
    passed on, for handlers that do use them.
    """

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:  # noqa: ANN401 - the base class's
        """Return the message with its fields."""
        fields: Mapping[str, object] = kwargs.get("extra") or {}
        return " ".join([str(msg), *(f"{name}={_format_value(value)}" for name, value in fields.items())]), kwargs


def task_logger(name: str) -> TaskLogger:
    """Return the logger of the module ``name``."""
    return TaskLogger(logging.getLogger(name), {})


def _format_value(value: object) -> str:
    text = str(value)
    return text if text and not any(char.isspace() or char in '"=' for char in text) else json.dumps(text)
