"""The CloudWatch dashboard of a job. ``python -m sequencer.metrics.dashboard NAMESPACE JOB_ID REGION`` prints it."""

from __future__ import annotations

import json
import sys
from typing import Any

from sequencer.metrics.job_metrics import JOB_DIMENSION, METRICS, Metric

WIDGETS: tuple[tuple[str, tuple[Metric, ...]], ...] = (
    ("Records per second", (Metric.RECORDS_PER_SECOND,)),
    ("Bytes per second", (Metric.BYTES_PER_SECOND,)),
    ("Share of the source read, and time to its end", (Metric.PERCENT_READ, Metric.ETA_SECONDS)),
    ("Unread part of the source", (Metric.LAG_BYTES,)),
    ("Age of the checkpoint", (Metric.CHECKPOINT_AGE_SECONDS,)),
    ("Retries, errors and dead letters", (Metric.RETRIES, Metric.ERRORS, Metric.DEAD_LETTERS)),
    ("Records sent, and cost", (Metric.RECORDS_SENT, Metric.COST_USD)),
)
_ADDED = frozenset({Metric.RETRIES, Metric.ERRORS, Metric.DEAD_LETTERS})
"""Each value is the increase since the last one."""
_WIDTH, _HEIGHT, _COLUMNS = 8, 6, 3
_PERIOD_S = 60


def dashboard_body(*, namespace: str, job_id: str, region: str) -> dict[str, Any]:
    """Return the body for ``put_dashboard``; the second metric of a widget has an axis of its own."""
    return {
        "widgets": [
            {
                "type": "metric",
                "x": number % _COLUMNS * _WIDTH,
                "y": number // _COLUMNS * _HEIGHT,
                "width": _WIDTH,
                "height": _HEIGHT,
                "properties": {
                    "title": title,
                    "region": region,
                    "view": "timeSeries",
                    "period": _PERIOD_S,
                    "stat": "Sum" if metrics[0] in _ADDED else "Maximum",
                    "metrics": [_line(namespace, job_id, metric, metrics[0]) for metric in metrics],
                },
            }
            for number, (title, metrics) in enumerate(WIDGETS)
        ]
    }


def _line(namespace: str, job_id: str, metric: Metric, first: Metric) -> list[Any]:
    axis = "left" if METRICS[metric].unit == METRICS[first].unit else "right"
    return [namespace, metric.value, JOB_DIMENSION, job_id, {"label": METRICS[metric].meaning, "yAxis": axis}]


if __name__ == "__main__":
    given_namespace, given_job_id, given_region = sys.argv[1:]
    body = dashboard_body(namespace=given_namespace, job_id=given_job_id, region=given_region)
    sys.stdout.write(json.dumps(body, indent=2) + "\n")
