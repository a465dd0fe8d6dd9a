"""The limits of keys in the database, which the workers of all replicas share."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from contextlib import ExitStack

import pytest

from tests.support.uploader.passing_time import pass_time, stop_clock
from uploader.access.upload_limits import UploadLimits
from uploader.store.admissions import SLOT_LEASE_S, Limit
from uploader.store.store import Store

PER_MINUTE = 10
INTERVAL_S = 60 / PER_MINUTE
RATE = UploadLimits(per_minute=PER_MINUTE, at_once=0)
AT_ONCE = UploadLimits(per_minute=0, at_once=4)
PROCESSES = 3
REQUESTS = 200
# Waits until its standard input ends, so that all processes start together.
_WORKER = """
import sys, uuid
from concurrent.futures import ThreadPoolExecutor
from uploader.access.upload_limits import UploadLimits
from uploader.store.store import open_store
url, per_minute, at_once, requests = sys.argv[1], *map(int, sys.argv[2:])
store, limits = open_store(url), UploadLimits(per_minute=per_minute, at_once=at_once)
print("ready", flush=True)
sys.stdin.read()
def admit(_):
    return store.admissions.admit("alpha", slot_id=uuid.uuid4().hex, limits=limits).refused_by is None
with ThreadPoolExecutor(10) as pool:
    print(sum(pool.map(admit, range(requests))))
"""


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


def admit(store: Store, limits: UploadLimits, *, key: str = "alpha", slot: str | None = None) -> Limit | None:
    return store.admissions.admit(key, slot_id=slot or uuid.uuid4().hex, limits=limits).refused_by


def admitted_by_processes(url: str, limits: UploadLimits) -> int:
    """Return how many of the requests of all processes are admitted, all at once."""
    shares = [REQUESTS // PROCESSES + (number < REQUESTS % PROCESSES) for number in range(PROCESSES)]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", _WORKER, url, str(limits.per_minute), str(limits.at_once), str(share)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for share in shares
        ]
        assert [line_of(process) for process in processes] == ["ready\n"] * PROCESSES
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
        return sum(int(line_of(process)) for process in processes)


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


class TestProcesses:
    def test_together_admit_exactly_the_rate(self, url: str, store: Store) -> None:
        started = time.monotonic()
        admitted = admitted_by_processes(url, RATE)
        units_back = int((time.monotonic() - started) / INTERVAL_S)
        assert PER_MINUTE <= admitted <= PER_MINUTE + units_back
        assert admit(store, RATE, key="beta") is None  # another key is not concerned

    def test_together_admit_exactly_the_number_at_once(self, url: str, store: Store) -> None:
        assert admitted_by_processes(url, AT_ONCE) == AT_ONCE.at_once
        assert admit(store, AT_ONCE) is Limit.AT_ONCE
        assert admit(store, AT_ONCE, key="beta") is None


@pytest.mark.usefixtures("stopped_clock")
class TestRate:
    def test_used_units_come_back_evenly(self, url: str, store: Store) -> None:
        assert [admit(store, RATE) for _ in range(PER_MINUTE + 1)] == [None] * PER_MINUTE + [Limit.RATE]
        pass_time(url, seconds=2 * INTERVAL_S)
        assert [admit(store, RATE) for _ in range(3)] == [None, None, Limit.RATE]
        pass_time(url, seconds=3600)
        assert [admit(store, RATE) for _ in range(PER_MINUTE + 1)] == [None] * PER_MINUTE + [Limit.RATE]

    def test_refusal_says_when_the_next_unit_is_back(self, store: Store) -> None:
        for _ in range(PER_MINUTE):
            assert admit(store, RATE) is None
        refused = store.admissions.admit("alpha", slot_id=uuid.uuid4().hex, limits=RATE)
        assert refused.usage.available == 0
        assert 1 <= refused.usage.next_unit_s <= INTERVAL_S

    @pytest.mark.parametrize("back_s", [30, 3600])
    def test_clock_that_is_put_back_locks_no_key_out(self, url: str, store: Store, back_s: int) -> None:
        for _ in range(PER_MINUTE):
            admit(store, RATE)
        pass_time(url, seconds=-back_s)
        pass_time(url, seconds=65)
        assert admit(store, RATE) is None

    def test_refund_makes_the_unit_available_again(self, store: Store) -> None:
        for _ in range(PER_MINUTE - 1):
            admit(store, RATE)
        assert admit(store, RATE, slot="refused") is None
        store.admissions.release("alpha", slot_id="refused", limits=RATE, refunds=True)
        assert [admit(store, RATE) for _ in range(2)] == [None, Limit.RATE]


@pytest.mark.usefixtures("stopped_clock")
class TestAtOnce:
    def test_released_slot_is_free(self, store: Store) -> None:
        one = UploadLimits(per_minute=0, at_once=1)
        assert [admit(store, one, slot="first"), admit(store, one)] == [None, Limit.AT_ONCE]
        assert store.admissions.release("alpha", slot_id="first", limits=one).free_slots == 1
        assert admit(store, one) is None

    def test_slot_of_a_dead_worker_expires_and_a_renewed_one_does_not(self, url: str, store: Store) -> None:
        two = UploadLimits(per_minute=0, at_once=2)
        assert [admit(store, two, slot="alive"), admit(store, two, slot="dead")] == [None, None]
        pass_time(url, seconds=SLOT_LEASE_S - 1)
        store.admissions.renew({"alive"})
        assert admit(store, two) is Limit.AT_ONCE
        pass_time(url, seconds=2)
        assert [admit(store, two), admit(store, two)] == [None, Limit.AT_ONCE]

    def test_refusal_for_a_slot_takes_no_unit_of_the_rate(self, store: Store) -> None:
        both = UploadLimits(per_minute=PER_MINUTE, at_once=1)
        assert [admit(store, both) for _ in range(PER_MINUTE)] == [None] + [Limit.AT_ONCE] * (PER_MINUTE - 1)
        assert store.admissions.usage("alpha", both).available == PER_MINUTE - 1

    def test_clock_that_is_put_back_locks_no_key_out(self, url: str, store: Store) -> None:
        for _ in range(AT_ONCE.at_once):
            admit(store, AT_ONCE)
        pass_time(url, seconds=-3600)
        assert admit(store, AT_ONCE) is None
