"""The outcome of one upload, as the metrics count it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from uploader.domain.cutting import CutResult

ACCEPTED = "accepted"
REPLAYED = "replayed"
FAILED = "failed"
"""Results besides the error codes; ``failed`` is an unexpected error or a shutdown."""


@dataclass
class UploadOutcome:
    """What is known of one upload when its request ends."""

    started: float = field(default_factory=time.perf_counter)
    result: str = FAILED
    cut: CutResult | None = None
    chunking_s: float = 0.0

    def record_chunked(self, cut: CutResult) -> None:
        """Record that every chunk file is on disk."""
        self.cut, self.chunking_s = cut, time.perf_counter() - self.started

    def record_accepted(self, *, replayed: bool) -> None:
        """Record that the client gets 202."""
        self.result = REPLAYED if replayed else ACCEPTED
