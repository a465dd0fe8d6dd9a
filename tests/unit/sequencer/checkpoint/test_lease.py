"""Only one process at a time may send, and it knows when it no longer may."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from contracts.errors import NotAllowedError
from sequencer.checkpoint.clock import Clock
from sequencer.checkpoint.lease import Lease, is_dead, owner_name
from sequencer.checkpoint.sqlite import SqliteCheckpoints
from sequencer.errors import CheckpointsUnavailableError, LeaseHeldError, LeaseLostError
from tests.support.waiting import wait_until


@pytest.fixture
def checkpoints(tmp_path: Path) -> SqliteCheckpoints:
    return SqliteCheckpoints(str(tmp_path / "c.sqlite3"))


def lease(
    checkpoints: SqliteCheckpoints,
    owner: str = "a",
    *,
    lease_s: float = 60,
    expiry_s: float = 1,
    clock: Clock = Clock(),  # noqa: B008  immutable
) -> Lease:
    return Lease(checkpoints, job_id="job", owner=owner, lease_s=lease_s, expiry_s=expiry_s, clock=clock)


def test_lease_is_held_inside_and_free_outside(checkpoints: SqliteCheckpoints) -> None:
    with lease(checkpoints) as held:
        assert held.is_safe()
        with pytest.raises(LeaseHeldError, match="run by a"), lease(checkpoints, "b"):
            raise AssertionError("two have it")
    with lease(checkpoints, "b") as other:
        other.check()


def test_lease_outlives_its_length_by_being_renewed(checkpoints: SqliteCheckpoints) -> None:
    """On a clock that stands still while the test does, or the lease would expire then."""
    now = [1e9]
    clock = Clock(wall=lambda: now[0], monotonic=lambda: now[0])
    with (
        lease(checkpoints, lease_s=1, expiry_s=0.2, clock=clock) as held,
        patch.object(checkpoints, "renew_lease", wraps=checkpoints.renew_lease) as renew,
    ):
        for _ in range(8):
            now[0] += 0.25
            begun = renew.call_count
            # The first one may have begun before, the second one ends before the third one begins.
            wait_until(lambda: renew.call_count > begun + 2, what="it is renewed", deadline_s=60, poll_s=0.02)  # noqa: B023
        assert held.is_safe()
        with pytest.raises(LeaseHeldError), lease(checkpoints, "b", clock=clock):
            raise AssertionError("two have it")


def test_lost_lease_is_noticed(checkpoints: SqliteCheckpoints) -> None:
    with lease(checkpoints, lease_s=0.4, expiry_s=0.1) as held:
        checkpoints.acquire_lease("job", owner="b", now=2e9, lease_s=60, is_dead=lambda _: True)

        def noticed() -> bool:
            try:
                held.check()
            except LeaseLostError:
                return True
            return False

        wait_until(noticed, what="the loss is noticed", deadline_s=30)
        assert not held.is_safe()
    with pytest.raises(LeaseHeldError, match="run by b"), lease(checkpoints, "c"):
        raise AssertionError("the one who lost it gave it up for the one who has it")


@pytest.mark.parametrize("moving", ["wall", "monotonic"])
def test_lease_is_unsafe_once_either_clock_has_passed_its_margin(checkpoints: SqliteCheckpoints, moving: str) -> None:
    """After SIGSTOP both have advanced; after the wall clock was set back only one of them."""
    times = {"wall": 1e9, "monotonic": 1e3}
    clock = Clock(wall=lambda: times["wall"], monotonic=lambda: times["monotonic"])
    with lease(checkpoints, lease_s=600, expiry_s=90, clock=clock) as held:
        times[moving] += 509
        assert held.is_safe()
        times[moving] += 2
        assert not held.is_safe()


def test_unavailable_store_makes_the_lease_unsafe_until_it_is_back(checkpoints: SqliteCheckpoints) -> None:
    with lease(checkpoints, lease_s=1, expiry_s=0.2) as held:
        with patch.object(checkpoints, "renew_lease", side_effect=CheckpointsUnavailableError("away")):
            wait_until(lambda: not held.is_safe(), what="nothing may be queued", deadline_s=30)
            held.check()
        wait_until(held.is_safe, what="it is safe again", deadline_s=30)


def test_lease_that_the_store_refuses_to_renew_stops_the_job_once_it_is_not_safe(
    checkpoints: SqliteCheckpoints,
) -> None:
    def said() -> bool:
        try:
            held.check()
        except NotAllowedError:
            return True
        return False

    with lease(checkpoints, lease_s=1, expiry_s=0.2) as held:
        with patch.object(checkpoints, "renew_lease", side_effect=NotAllowedError("the token has expired")):
            wait_until(said, what="the reason is raised", deadline_s=30)
            assert not held.is_safe()
        wait_until(held.is_safe, what="it is safe again", deadline_s=30)
        held.check()


def test_lease_is_given_up_without_hiding_how_the_job_ended(checkpoints: SqliteCheckpoints) -> None:
    with (
        patch.object(checkpoints, "release_lease", side_effect=NotAllowedError("the token has expired")),
        lease(checkpoints) as held,
    ):
        held.check()


def test_process_of_this_machine_that_is_gone_is_dead() -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); "
        "from sequencer.checkpoint.lease import owner_name; print(owner_name())"
    )
    here = str(Path(__file__).parents[4])
    ended = subprocess.run([sys.executable, "-c", script, here], capture_output=True, text=True, check=True)
    assert is_dead(ended.stdout.strip())


def test_process_that_runs_is_not_dead_and_of_others_nothing_is_known() -> None:
    host, boot, namespace, pid, start = owner_name().split("/")
    assert int(pid) == os.getpid()
    assert not is_dead(owner_name())
    assert is_dead(f"{host}/{boot}/{namespace}/{pid}/{int(start) + 1}")  # the pid was given to another process
    assert not is_dead(f"other/{boot}/{namespace}/{pid}/1")
    assert not is_dead(f"{host}/another-boot/{namespace}/{pid}/1")
    assert not is_dead(f"{host}/{boot}/1/{pid}/1")  # another container of this host
    assert not is_dead("whatever")
