"""One job, killed again and again at any moment, its broker and its checkpoints with it: every row once, in order.

``CSVPIPE_CHAOS_KILLS`` is the number of kills (make chaos: 50).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.sequencer.chaos import KILLS
from tests.support.sequencer.held_source import held_source
from tests.support.sequencer.rig import RunningCommand, SequencerRig
from tests.support.services import KafkaBroker
from tests.support.waiting import wait_until

ROWS_FOR_EACH_KILL = 100_000
SPARE_ROWS = 200_000
"""More than a job gets beyond what it is given, so that it is not done before its last kill, however fast it is."""
TRY_AGAIN = 75


def restart_broker(rig: SequencerRig) -> None:
    rig.broker.stop()
    rig.broker.start()


def kill_broker(rig: SequencerRig) -> None:
    rig.broker.kill()
    rig.broker.start()


HARM: tuple[Callable[[SequencerRig], None], ...] = (
    lambda _rig: None,
    SequencerRig.forget_checkpoint,
    restart_broker,
    kill_broker,
)


class Moment(NamedTuple):
    """Some seconds after the start of a process, or when a row is noted, whichever comes first."""

    seconds: float
    row: int


def moment(dice: random.Random, killed: int) -> Moment:
    """Return a moment of the start, one time in three, or at a row, however long the job takes to come there."""
    if dice.random() < 1 / 3:
        return Moment(dice.uniform(0.0, 4.0), ROWS_FOR_EACH_KILL * (killed + 1))
    return Moment(60.0, round(ROWS_FOR_EACH_KILL * (killed + dice.random())))


def kill(process: RunningCommand, rig: SequencerRig, at: Moment) -> bool:
    """Kill a job at a moment; False: it has ended before."""
    deadline = time.monotonic() + at.seconds
    while time.monotonic() < deadline and rig.sent() < at.row:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
            return False
    process.kill()
    return process.wait() == -signal.SIGKILL


@pytest.mark.timeout(300 + 60 * KILLS)
@pytest.mark.parametrize("mode", ["exclusive", "transactional"])
def test_job_killed_at_any_moment_sends_every_row_once_and_in_order(
    kafka_broker: KafkaBroker, tmp_path: Path, dice: random.Random, mode: str
) -> None:
    # Short: after each kill what the process has sent is waited for, 1.5 times as long and 2 s more.
    rig = SequencerRig(kafka_broker, tmp_path, environment={"DELIVERY_TIMEOUT_S": "3", "LEASE_S": "8"})
    rows = ROWS_FOR_EACH_KILL * KILLS + SPARE_ROWS
    options = ("--mode", mode, "--compression", "lz4", "--checkpoint-interval", "5000")
    killed = 0
    with held_source(rig) as held:
        held.write(rows)
        while killed < KILLS:
            held.give(ROWS_FOR_EACH_KILL * (killed + 1))
            with rig.start(*options) as process:
                if kill(process, rig, moment(dice, killed)):
                    killed += 1
                else:
                    ended = rig.end_of(process)
                    assert ended.code == TRY_AGAIN, f"after {killed} of {KILLS} kills: {ended}"
            dice.choice(HARM)(rig)
        held.release()
        while (ended := rig.run(*options)).code == TRY_AGAIN:  # it stood still for longer than its short lease
            pass
        assert ended.code == 0, str(ended)
        rig.assert_proven(rows)


@pytest.mark.parametrize("mode", ["exclusive", "transactional"])
def test_broker_restarted_under_a_running_job_loses_no_row(
    kafka_broker: KafkaBroker, tmp_path: Path, mode: str
) -> None:
    rig = SequencerRig(kafka_broker, tmp_path, environment={"DELIVERY_TIMEOUT_S": "60", "LEASE_S": "120"})
    rows = 400_000
    sent = 0
    with held_source(rig) as held:
        held.write(rows)
        with rig.start("--mode", mode, "--checkpoint-interval", "5000") as process:
            for harm in (kill_broker, restart_broker):
                continues = lambda sent=sent: rig.sent() > sent  # noqa: E731
                wait_until(continues, what="it continues", deadline_s=120, poll_s=0.01, explain=process.said)
                sent = rig.sent()
                held.give(sent + 1)  # what it sends meanwhile
                harm(rig)
            held.release()
            ended = rig.end_of(process)
        assert ended.code == 0, str(ended)
        rig.assert_proven(rows)


@pytest.mark.parametrize("mode", ["exclusive", "transactional"])
def test_broker_that_is_silent_for_too_long_ends_the_job_and_the_next_resumes(
    kafka_broker: KafkaBroker, tmp_path: Path, mode: str
) -> None:
    rig = SequencerRig(kafka_broker, tmp_path, environment={"RETRIES": "0"})
    rows = 200_000
    with held_source(rig) as held:
        held.write(rows)
        with rig.start("--mode", mode, "--checkpoint-interval", "5000") as process:
            wait_until(lambda: rig.sent() > 0, what="it is under way", deadline_s=60, poll_s=0.01, explain=process.said)
            _signal(rig.broker, signal.SIGSTOP)
            held.release()
            try:
                ended = rig.end_of(process)
            finally:
                _signal(rig.broker, signal.SIGCONT)
        assert ended.code == TRY_AGAIN, str(ended)
        rig.environment["RETRIES"] = "10"  # its controller may take the broker for dead for a moment
        again = rig.run("--mode", mode)
        assert again.code == 0, str(again)
        rig.assert_proven(rows)


@pytest.mark.parametrize("mode", ["exclusive", "transactional"])
def test_process_stopped_beyond_its_lease_sends_nothing_when_it_wakes_up(
    kafka_broker: KafkaBroker, tmp_path: Path, mode: str
) -> None:
    rig = SequencerRig(kafka_broker, tmp_path)
    rows = 200_000
    options = ("--mode", mode, "--checkpoint-interval", "5000")
    with held_source(rig) as held:
        held.write(rows)
        with rig.start(*options) as stale:
            wait_until(lambda: rig.sent() > 0, what="it is under way", deadline_s=60, poll_s=0.01, explain=stale.said)
            rig.freeze(stale)
            held.release()
            refusals: list[str] = []

            def taken_over() -> bool:
                ended = rig.run(*options)
                assert ended.code in (0, TRY_AGAIN), str(ended)
                refusals.append(str(ended))
                return ended.code == 0

            try:
                what = "another process may take over"
                wait_until(taken_over, what=what, deadline_s=120, explain=lambda: "\n".join(refusals[-2:]))
            finally:
                stale.send_signal(signal.SIGCONT)
            ended = rig.end_of(stale)
        assert ended.code == TRY_AGAIN, str(ended)
        assert "lease" in ended.err or "taken over" in ended.err
        rig.assert_proven(rows)


def _signal(broker: KafkaBroker, number: signal.Signals) -> None:
    for process in broker.stack.processes_of(broker.name):
        assert process.pid is not None
        os.kill(process.pid, number)
