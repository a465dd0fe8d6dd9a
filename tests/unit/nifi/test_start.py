from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from nifi.client import Processor, Service
from nifi.deploy import start_group

if TYPE_CHECKING:
    from nifi.client import NiFiClient


class FakeNiFiWithOneStillStopping:
    """Behaves like NiFi 2.3.0, which ignores a start request for a processor that is still stopping."""

    def __init__(self) -> None:
        self.states = {"ListenHTTP": "STOPPED", "InvokeHTTP": "STOPPED"}
        self.start_requests = 0

    def services(self, _group_id: str) -> list[Service]:
        return []

    def processors(self, _group_id: str) -> list[Processor]:
        return [Processor(name=name, state=state, validation="VALID", errors=()) for name, state in self.states.items()]

    def set_running(self, _group_id: str, *, running: bool) -> None:
        assert running
        self.start_requests += 1
        self.states["InvokeHTTP"] = "RUNNING"
        if self.start_requests > 1:
            self.states["ListenHTTP"] = "RUNNING"


class FakeNiFiThatValidatesAgain(FakeNiFiWithOneStillStopping):
    """Shows its processors as valid at every other look only."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def processors(self, group_id: str) -> list[Processor]:
        self.looks += 1
        validation = "VALID" if self.looks % 2 else "VALIDATING"
        return [replace(processor, validation=validation) for processor in super().processors(group_id)]


def test_stopping_processor_is_started_again() -> None:
    nifi = FakeNiFiWithOneStillStopping()

    assert start_group(cast("NiFiClient", nifi), "group", lambda _line: None)

    assert set(nifi.states.values()) == {"RUNNING"}


def test_validation_that_begins_again_is_no_fault() -> None:
    nifi = FakeNiFiThatValidatesAgain()

    assert start_group(cast("NiFiClient", nifi), "group", lambda _line: None)
