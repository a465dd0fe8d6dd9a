"""The log of a job: see :mod:`telemetry.logging`."""

from __future__ import annotations

import logging

import telemetry.logging
from sequencer.settings import JobSettings

_LEVELS = {
    "librdkafka": logging.ERROR,  # its warnings arrive as errors of callbacks, too, or are about intended options
    "botocore": logging.WARNING,
    "urllib3": logging.ERROR,
}


def configure_logging(settings: JobSettings) -> None:
    """Send the records of this process to stderr. Lines of JSON have ``job_id``, ``topic`` and ``partition``."""
    telemetry.logging.configure_logging(
        level=settings.log_level,
        form=settings.log_format,
        fields={
            "job_id": settings.job_id,
            "topic": settings.kafka_topic,
            "partition": settings.kafka_partition,
        },
        levels=_LEVELS,
    )
