"""Until when requests may be in flight, from what this process has sent or from the last checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from unittest.mock import patch

import pytest

from sequencer.job.in_flight import CLOCK_DIFFERENCE_S, InFlight, arrived_by, fence_late_requests
from sequencer.job.target import quiet_s
from sequencer.kafka.timestamp_fence import OPTION, TIMESTAMP_TYPE
from sequencer.kafka.topic_options import Options
from sequencer.model.checkpoint import Checkpoint, JobStatus
from sequencer.settings import JobSettings
from sequencer.shutdown import StopRequest

NOW = 1_800_000_000.0
NOTED_AT = NOW - 40
NOTED = Checkpoint(
    job_id="job", timestamp=datetime.fromtimestamp(NOTED_AT, UTC), topic="t", partition=0, first_offset=0
)


@pytest.mark.parametrize(
    ("status", "until"),
    [
        (None, NOW),
        (JobStatus.RUNNING, NOW),
        (JobStatus.FAILED, NOTED_AT),
        (JobStatus.STOPPED, 0.0),
        (JobStatus.DONE, 0.0),
    ],
)
def test_process_before_may_have_queued_records_until_its_end(status: JobStatus | None, until: float) -> None:
    checkpoint = None if status is None else replace(NOTED, status=status)
    in_flight = InFlight()
    with patch("sequencer.job.in_flight.time.time", lambda: NOW):
        assert in_flight.queued_until(checkpoint) == until
    with patch("sequencer.job.in_flight.time.time", lambda: NOW + 500):
        assert in_flight.queued_until(checkpoint) == until, "it has held the lease since, so no other process sends"


@dataclass
class FakeSender:
    """Has queued records until then."""

    queued_until: float


@pytest.mark.parametrize("queued_until", [0.0, NOW + 7])
def test_own_try_is_the_last_that_has_sent(queued_until: float) -> None:
    in_flight = InFlight()
    in_flight.queued_until(NOTED)
    in_flight.track(FakeSender(queued_until))
    assert in_flight.queued_until(replace(NOTED, status=JobStatus.FAILED)) == queued_until


def test_request_has_arrived_or_is_rejected_once_its_records_are_too_old() -> None:
    fenced = Options({OPTION: "90000", TIMESTAMP_TYPE: "CreateTime"})
    settings = JobSettings(_env_file=None, fence=False, lease_s=180, delivery_timeout_s=60)
    for options, in_flight_s in [(fenced, 90 + CLOCK_DIFFERENCE_S), (Options({}), 180)]:
        found_s = fence_late_requests({}, "rows", settings=settings, options=options, stop=StopRequest())
        assert found_s == in_flight_s
        assert arrived_by(NOW, found_s) == NOW + in_flight_s
        assert arrived_by(0.0, found_s) == 0.0


@pytest.mark.parametrize(("lag_ms", "rest_s"), [(30_000, 50.0), (60_000, 95.0), (10_000, 20.0)])
def test_partition_is_idle_for_longer_than_the_leader_waits_for_a_follower(lag_ms: int, rest_s: float) -> None:
    assert quiet_s(lag_ms) == rest_s
