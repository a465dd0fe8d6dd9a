"""Flow control that can stay shut: while one request is answered, nothing behind it is read."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl


class ReadGate(FlowControl):
    """uvicorn's flow control, whose ``resume_reading`` waits until the gate is open again."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._shut = False

    def shut(self) -> None:
        """Read nothing until :meth:`open`, whoever asks for it."""
        self._shut = True
        self.pause_reading()

    def open(self) -> None:
        """Read on."""
        self._shut = False
        self.resume_reading()

    def resume_reading(self) -> None:
        """Read on, unless the gate is shut."""
        if not self._shut:
            super().resume_reading()
