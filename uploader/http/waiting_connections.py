"""The connections of a server that wait for their clients."""

from __future__ import annotations

from typing import Generic, TypeVar

_C = TypeVar("_C")


class WaitingConnections(Generic[_C]):
    """Connections that wait for their client, in the order in which they began to wait."""

    def __init__(self) -> None:
        self._connections: dict[_C, None] = {}

    def add(self, connection: _C) -> None:
        """Append ``connection``."""
        self._connections[connection] = None

    def discard(self, connection: _C) -> None:
        """Remove ``connection`` if it is there."""
        self._connections.pop(connection, None)

    def oldest(self, *, other_than: _C) -> _C | None:
        """Return the connection that has waited longest, or None if there is no other."""
        return next((connection for connection in self._connections if connection is not other_than), None)
