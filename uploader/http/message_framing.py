"""How far received bytes may be parsed, so that the parser never gets more than one message.

llhttp accepts only CRLF as the end of a line. A head and a chunked body end with an empty line, so no message can end
within bytes that are fed up to the next CRLF CRLF. A body of known length is counted.
"""

from __future__ import annotations

from uploader.http.http_limits import HttpLimits

TURN_BYTES = 32 * 1024
"""Bytes parsed before other tasks get their turn: in chunks of one byte, 250 KB would block them for 50 ms or more."""
_BLANK_LINE = b"\r\n\r\n"


class MessageFraming:
    """The sizes of the message that is being parsed."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._fed_end = b""
        self._head_bytes = 0
        self._quiet_bytes = 0
        self.body_to_come: int | None = None
        """Bytes of the body that have not been fed yet, or None if the body is chunked."""

    def reset(self) -> None:
        """Start counting the next message."""
        self._head_bytes = self._quiet_bytes = 0
        self._fed_end = b""

    def end_of_piece(self, data: bytes, start: int, *, in_body: bool) -> int:
        """Return how far ``data`` is fed: a message ends there or later, and a head is only just above its limit."""
        if not in_body:
            limit = min(len(data), start + max(1, self._limits.head_bytes + 1 - self._head_bytes))
        elif self.body_to_come is not None:
            return min(len(data), start + self.body_to_come)
        else:
            limit = min(len(data), start + TURN_BYTES)
        found = (self._fed_end + data[start : start + 3]).find(_BLANK_LINE)
        if found >= 0:
            return start + found + len(_BLANK_LINE) - len(self._fed_end)
        found = data.find(_BLANK_LINE, start, limit)
        return limit if found < 0 else found + len(_BLANK_LINE)

    def count_fed(self, piece: memoryview, *, in_body: bool) -> None:
        """Count a piece before it is parsed."""
        self._fed_end = (self._fed_end + piece[-3:].tobytes())[-3:]
        if in_body:
            self._quiet_bytes += len(piece)
        else:
            self._head_bytes += len(piece)

    def count_body(self, size_bytes: int) -> None:
        """Count parsed bytes of the body."""
        self._quiet_bytes = 0
        if self.body_to_come is not None:
            self.body_to_come -= size_bytes

    def count_chunk_header(self) -> None:
        """Count the start of another chunk of the body."""
        self._quiet_bytes = 0

    def is_head_too_large(self) -> bool:
        """Return whether request line and headers exceed their limit."""
        return self._head_bytes > self._limits.head_bytes

    def is_trailer_too_large(self) -> bool:
        """Return whether the bytes since the last content of the body (trailers, chunk extensions) exceed it."""
        return self._quiet_bytes > self._limits.head_bytes
