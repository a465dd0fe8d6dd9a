"""The permissions that a key can have."""

from __future__ import annotations

from contracts.permissions import Permission

__all__ = ["Permission"]
