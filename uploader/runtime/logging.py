"""The uploader's log: see :mod:`telemetry.logging`."""

from __future__ import annotations

import logging
from typing import Protocol

import telemetry.logging
from telemetry.logging import BoundLogger, LogFormat

_UVICORN_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access")
_LEVELS = {
    "kafka": logging.CRITICAL,  # while Kafka is unavailable, it logs several lines a second; the outbox logs one
    "alembic": logging.WARNING,
}


class NamedChunk(Protocol):
    """A chunk that log lines can name."""

    @property
    def chunk_id(self) -> int:
        """Number of the chunk, from 1."""

    @property
    def filename(self) -> str:
        """Name of its file."""


class UploadLog(BoundLogger):
    """A logger for one upload: each record has ``upload_id``."""

    def __init__(self, logger: logging.Logger, upload_id: str) -> None:
        super().__init__(logger, upload_id=upload_id)

    def chunk(self, level: int, message: str, chunk: NamedChunk, **fields: object) -> None:
        """Log one fact about a chunk of the upload, with ``chunk_id`` and ``path`` (the name of its file) as fields."""
        self.log(level, message, extra={"chunk_id": chunk.chunk_id, "path": chunk.filename, **fields})


def configure_logging(*, level: str, form: LogFormat) -> None:
    """Send the records of this process to stderr, uvicorn's too."""
    telemetry.logging.configure_logging(level=level, form=form, levels=_LEVELS)
    for name in _UVICORN_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
