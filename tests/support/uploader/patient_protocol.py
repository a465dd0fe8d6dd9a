"""The uploader's HTTP protocol with short timeouts that a test holds up while it makes its connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.uploader.raw_http import HEALTH, connected
from tests.support.uploader.server import RunningUploader
from uploader.http.direct_body_protocol import DirectBodyProtocol

_AGAIN_S = 0.05


class PatientProtocol(DirectBodyProtocol):
    """Ends no wait for a client while a test is in :func:`patience`, however long that process stands still."""

    is_patient = threading.Event()

    def _end_wait(self) -> None:
        if self.is_patient.is_set():
            self._timer = self.loop.call_later(_AGAIN_S, self._end_wait)
        else:
            super()._end_wait()


@contextmanager
def patience(uploader: RunningUploader) -> Iterator[None]:
    """Let no time run out in the block; after it, the uploader has all that was sent to it."""
    PatientProtocol.is_patient.set()
    try:
        yield
        with connected(uploader.port, tls=uploader.client_tls) as last:
            last.send(HEALTH)
            assert last.next().status == 200
    finally:
        PatientProtocol.is_patient.clear()
