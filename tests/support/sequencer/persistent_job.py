"""A job of the sequencer that is restarted whenever it exits with 75."""

from __future__ import annotations

import random

from tests.support.sequencer.rig import RunningCommand, SequencerRig
from tests.support.waiting import wait_until

TRY_AGAIN = 75


class PersistentJob:
    """A job that is started again whenever it ends with 75, as a scheduler does."""

    def __init__(self, rig: SequencerRig, dice: random.Random, *options: str) -> None:
        self._rig = rig
        self._dice = dice
        self._options = options
        self._process = self._start()
        self._heard = ""

    def wait_until_it_sends(self) -> None:
        """Wait until more rows are acknowledged than were before."""
        before = self._rig.sent()

        def sends() -> bool:
            if self._process.poll() is not None:
                self._start_again()
            return self._rig.sent() > before

        wait_until(sends, what="it sends", deadline_s=240, poll_s=0.01, explain=self.said)

    def listen(self) -> None:
        """Mark the end of what it has logged so far."""
        self._heard = self.said()

    def has_noticed(self) -> bool:
        """Return whether it has logged a warning since :meth:`listen`, or has ended."""
        return " WARNING " in self.said().removeprefix(self._heard) or self._process.poll() is not None

    def has_given_up(self) -> bool:
        """Return whether it has ended or retries since :meth:`listen`."""
        return "Attempt failed; retrying" in self.said().removeprefix(self._heard) or self._process.poll() is not None

    def finish(self) -> None:
        """Wait for its end, starting it again as often as needed."""
        while self._rig.end_of(self._process).code != 0:
            self._start_again()

    def said(self) -> str:
        """Return what it has logged so far."""
        return self._process.said()

    def kill_and_start_again(self) -> None:
        """Kill it, and start it again as a scheduler does."""
        self._process.kill()
        self._rig.end_of(self._process)
        self._process = self._start()

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()
        self._rig.end_of(self._process)

    def _start(self) -> RunningCommand:
        self._rig.environment["RETRIES"] = self._dice.choice(("0", "3"))
        return self._rig.start(*self._options)

    def _start_again(self) -> None:
        ended = self._rig.end_of(self._process)
        assert ended.code == TRY_AGAIN, str(ended)
        self._process = self._start()
