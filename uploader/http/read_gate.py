"""Flow control that can stay shut: while a request is being answered, later ones are not read."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl


class ReadGate(FlowControl):
    """uvicorn's flow control, whose ``resume_reading`` has no effect while the gate is shut."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._shut = False

    def shut(self) -> None:
        """Stop reading until :meth:`open`."""
        self._shut = True
        self.pause_reading()

    def open(self) -> None:
        """Resume reading."""
        self._shut = False
        self.resume_reading()

    def resume_reading(self) -> None:
        """Resume reading unless the gate is shut."""
        if not self._shut:
            super().resume_reading()
