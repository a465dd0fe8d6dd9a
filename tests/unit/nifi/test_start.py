from __future__ import annotations

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


def test_stopping_processor_is_started_again() -> None:
    nifi = FakeNiFiWithOneStillStopping()

    assert start_group(cast("NiFiClient", nifi), "group", lambda _line: None)

    assert set(nifi.states.values()) == {"RUNNING"}
