"""What is saved of a scan, so that it can be resumed in another process."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from csvscan import HeaderState, ScannerState


class ContentState(BaseModel):
    """State of a :class:`~.content_scanner.ContentScanner` between two blocks; some 500 bytes as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    header: HeaderState
    scanner: ScannerState
