"""A cluster of three brokers: its leaders are killed and frozen, and the job meanwhile: every row once, in order.

``CSVPIPE_CHAOS_KILLS`` is ten times the number of harms beyond the first two (make chaos: 50).
"""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.kafka.cluster import KafkaCluster, kafka_cluster
from tests.support.sequencer.chaos import IS_LONG, KILLS
from tests.support.sequencer.persistent_job import PersistentJob
from tests.support.sequencer.rig import SequencerRig
from tests.support.waiting import wait_until

HARMS = 2 + KILLS // 10
ROWS_FOR_EACH_HARM = 100_000
SLOW_BYTES_PER_S = 1024 * 1024
"""So that the rows for a harm take ten seconds, and it finds the job under way."""
MODES = ("exclusive", "transactional")
SHORT = {"DELIVERY_TIMEOUT_S": "8", "LEASE_S": "16", "REQUIRE_DURABLE_TOPIC": "true"}
HELD_BYTES = 200_000
"""More than any request but one with records has."""
WAITS = "Waiting for late requests"
OFTEN = ("--compression", "none", "--checkpoint-interval", "2000")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    with kafka_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


def kill_leader(cluster: KafkaCluster, leader: int) -> Callable[[], None]:
    """Take a node away as a power cut does; return what brings it back."""
    cluster.nodes[leader].kill()
    return cluster.nodes[leader].start


def freeze_leader(cluster: KafkaCluster, leader: int) -> Callable[[], None]:
    """Suspend a node; return the function that resumes it, when another node leads."""
    cluster.freeze(leader)
    return lambda: cluster.thaw(leader)


@pytest.mark.timeout(300 + 120 * HARMS)
@pytest.mark.parametrize("mode", MODES)
def test_killed_and_frozen_leaders_lose_no_row(
    cluster: KafkaCluster, tmp_path: Path, dice: random.Random, mode: str
) -> None:
    rig = SequencerRig(cluster, tmp_path, environment=dict(SHORT))
    rows = ROWS_FOR_EACH_HARM * (HARMS + 1)
    rig.write_source(rows)
    cluster.slow_down(SLOW_BYTES_PER_S)
    harms = list(itertools.islice(itertools.cycle([(freeze_leader, True), (kill_leader, False)]), HARMS))
    if HARMS > 2:
        harms = [(harm, dice.choice((True, False))) for harm, _ in harms]
    job = PersistentJob(rig, dice, "--bootstrap-servers", cluster.distant_bootstrap, "--mode", mode, *OFTEN)
    with ExitStack() as mending:
        mending.callback(job.kill)
        for harm, kills_the_job in harms:
            job.wait_until_it_sends()
            leader = cluster.leader_of(rig.topic)
            sys.stdout.write(f"{datetime.now(UTC):%H:%M:%S} {harm.__name__} {leader}, and the job: {kills_the_job}\n")
            mend = harm(cluster, leader)
            mended = mending.enter_context(ExitStack())
            mended.callback(mend)
            if kills_the_job:
                job.kill_and_start_again()
            job.wait_until_it_sends()
            mended.close()
        cluster.slow_down(0)
        job.finish()
    rig.assert_proven(rows)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "sends_already",
    [False, True] if IS_LONG else [True],
    ids=lambda sends: "when its successor sends" if sends else "while its successor waits",
)
def test_request_of_a_killed_process_arrives_late_at_a_leader_with_replicas(
    cluster: KafkaCluster, tmp_path: Path, sends_already: bool
) -> None:
    rig = SequencerRig(cluster, tmp_path, environment={**SHORT, "DELIVERY_TIMEOUT_S": "4", "LEASE_S": "12"})
    rig.write_source(ROWS_FOR_EACH_HARM)
    cluster.slow_down(SLOW_BYTES_PER_S)
    given = ("--bootstrap-servers", cluster.distant_bootstrap, *OFTEN)
    line = cluster.lines[cluster.leader_of(rig.topic) - 1]
    with rig.start(*given) as killed:
        wait_until(lambda: rig.sent() > 0, what="it sends", deadline_s=120, poll_s=0.01, explain=killed.said)
        line.hold_back()
        held = "a request with records is held back"
        wait_until(lambda: line.late_bytes > HELD_BYTES, what=held, deadline_s=60, poll_s=0.01)
        killed.kill()
    before = rig.sent()
    with rig.start(*given) as process:
        wait_until(lambda: WAITS in process.said(), what="it waits", deadline_s=120, explain=process.said)
        if sends_already:
            further = "it sends again"
            wait_until(lambda: rig.sent() > before, what=further, deadline_s=120, poll_s=0.01, explain=process.said)
        line.deliver_late()
        cluster.slow_down(0)
        ended = rig.end_of(process)
    assert ended.code == 0, str(ended)
    rig.assert_proven(ROWS_FOR_EACH_HARM)
