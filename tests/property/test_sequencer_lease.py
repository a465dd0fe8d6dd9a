"""Two processes and one lease: whatever the clock, the store and the processes do, both never send at once."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Container, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sequencer.checkpoint.clock import Clock
from sequencer.checkpoint.lease import Lease
from sequencer.checkpoint.sqlite import SqliteCheckpoints
from sequencer.errors import CheckpointsUnavailableError, LeaseHeldError, LeaseLostError
from tests.support.examples import examples

LEASE_S, EXPIRY_S = 10.0, 4.0
SLOTS = st.sampled_from([0, 1])
MODES = st.sampled_from(["works", "works", "is unavailable", "loses its answer", "is slow before", "is slow after"])


class FakeTurns(threading.Event):
    """The event that the lease's thread waits for: the test lets the thread take one turn at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.thread: threading.Thread | None = None
        self._turn, self._waiting = threading.Semaphore(0), threading.Semaphore(0)

    def wait(self, timeout: float | None = None) -> bool:
        self.thread = threading.current_thread()
        self._waiting.release()
        self._turn.acquire()
        return self.is_set()

    def set(self) -> None:
        super().set()
        self._turn.release()

    def take_one(self) -> None:
        """Let the thread run from one wait to the next, or to its end."""
        self._turn.release()
        self.until_it_waits()

    def until_it_waits(self) -> None:
        while not self.is_ended() and not self._waiting.acquire(timeout=0.01):
            pass

    def is_ended(self) -> bool:
        """Return whether the thread has waited before, and has ended."""
        return self.thread is not None and not self.thread.is_alive()


class FakeProcess:
    """A process that holds the lease, or has held it."""

    def __init__(self, name: str, store: SqliteCheckpoints, *, clock: Clock, dead: Container[str]) -> None:
        self.name = name
        self.turns = FakeTurns()
        self.lease = Lease(
            store,
            job_id="job",
            owner=name,
            lease_s=LEASE_S,
            expiry_s=EXPIRY_S,
            clock=clock,
            closed=self.turns,
            is_dead=lambda owner: owner in dead,
        )
        self.sends_until = 0.0
        """Until when the Kafka client may send what it has queued."""

    def start(self) -> None:
        self.lease.__enter__()
        self.turns.until_it_waits()

    def renew(self) -> None:
        self.turns.take_one()

    def is_lost(self) -> bool:
        try:
            self.lease.check()
        except LeaseLostError:
            return True
        return False

    def die(self) -> None:
        self.turns.set()
        assert self.turns.thread is not None
        self.turns.thread.join()


class TwoProcesses(RuleBasedStateMachine):
    """A process is suspended while its rules are not drawn; the clock advances meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000.0
        self.mode, self.delay_s = "works", 0.0
        self.running: dict[int, FakeProcess] = {}
        self.dead: set[str] = set()
        self.started = 0
        self.stack = ExitStack()
        directory = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.store = SqliteCheckpoints(str(Path(directory) / "c.sqlite3"))
        for name in ("acquire_lease", "renew_lease", "release_lease"):
            self.stack.enter_context(patch.object(self.store, name, self.by_mode(getattr(self.store, name))))
        self.clock = Clock(wall=lambda: self.now, monotonic=lambda: self.now)

    def by_mode(self, call: Callable[..., None]) -> Callable[..., None]:
        """Return a method of the store that behaves as the mode says."""

        def called(*positional: object, **named: object) -> None:
            if self.mode == "is unavailable":
                raise CheckpointsUnavailableError("away")
            self.now += self.delay_s if self.mode == "is slow before" else 0
            call(*positional, **named)
            self.now += self.delay_s if self.mode == "is slow after" else 0
            if self.mode == "loses its answer":
                raise CheckpointsUnavailableError("no answer")

        return called

    @rule(mode=MODES, delay_s=st.floats(0, 1.5 * LEASE_S))
    def let_the_store_be(self, mode: str, delay_s: float) -> None:
        self.mode, self.delay_s = mode, delay_s

    @rule(seconds=st.floats(0, 1.5 * LEASE_S))
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds

    @rule(slot=SLOTS)
    def start(self, slot: int) -> None:
        if slot in self.running:
            return
        self.started += 1
        name = f"process {self.started}"
        process, refused = FakeProcess(name, self.store, clock=self.clock, dead=self.dead), False
        try:
            process.start()
        except LeaseHeldError:
            refused = True
        except CheckpointsUnavailableError:
            self.mode_was_unsure = True
        else:
            others = [other for other in self.running.values() if not other.is_lost()]
            assert all(other.sends_until <= self.now for other in others), "what it has queued would be sent now"
            self.running[slot] = process
        assert not refused or self.running or self.mode_was_unsure, "no process holds it"

    mode_was_unsure = False
    """Whether a process may hold the lease without knowing it, or without having released it."""

    @rule(slot=SLOTS)
    def renew(self, slot: int) -> None:
        if slot in self.running:
            self.running[slot].renew()

    @rule(slot=SLOTS)
    def send(self, slot: int) -> None:
        if slot in self.running and self.running[slot].lease.is_safe():
            self.running[slot].sends_until = self.now + EXPIRY_S

    @rule(slot=SLOTS)
    def stop(self, slot: int) -> None:
        """Leave the context: what was queued is sent or dropped by then."""
        if slot in self.running:
            process = self.running.pop(slot)
            self.mode_was_unsure = self.mode_was_unsure or self.mode == "is unavailable"
            process.lease.__exit__(None, None, None)
            assert process.turns.is_ended()

    @rule(slot=SLOTS)
    def kill(self, slot: int) -> None:
        if slot in self.running:
            process = self.running.pop(slot)
            process.die()
            self.dead.add(process.name)

    @precondition(lambda self: self.mode == "works")
    @rule(slot=SLOTS)
    def renewal_makes_the_lease_safe_or_lost(self, slot: int) -> None:
        if slot in self.running:
            self.running[slot].renew()
            assert self.running[slot].lease.is_safe() != self.running[slot].is_lost()

    @invariant()
    def at_most_one_may_send(self) -> None:
        assert sum(process.lease.is_safe() for process in self.running.values()) <= 1

    @invariant()
    def a_process_that_may_send_holds_the_lease_in_the_store(self) -> None:
        for process in self.running.values():
            if process.lease.is_safe():
                with working(self):
                    assert is_refused(self.store, now=self.now + EXPIRY_S), "another could take it too early"

    def teardown(self) -> None:
        for process in self.running.values():
            process.die()
        self.stack.close()


@contextmanager
def working(machine: TwoProcesses) -> Iterator[None]:
    """Let the store work for one check."""
    mode, machine.mode = machine.mode, "works"
    try:
        yield
    finally:
        machine.mode = mode


def is_refused(store: SqliteCheckpoints, *, now: float) -> bool:
    """Return whether a third process would be refused at ``now``."""
    try:
        store.acquire_lease("job", owner="a third", now=now, lease_s=0, is_dead=lambda _: False)
    except LeaseHeldError:
        return True
    return False


TestTwoProcesses = TwoProcesses.TestCase
TestTwoProcesses.settings = settings(max_examples=examples(30), stateful_step_count=40, deadline=None)
