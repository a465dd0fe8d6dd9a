"""Audit events: who did what, from where. :class:`uploader.store.audit.AuditStore` makes records of them."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.audit import DONE, AuditAction
from contracts.hidden_secrets import hide_secrets
from contracts.printable import printable
from uploader.access.principal import Principal

MAX_ADDRESS_CHARS = 128


@dataclass(frozen=True)
class Actor:
    """Who acts: the principal of a request, and the IP address that it came from."""

    principal: Principal
    address: str


SYSTEM = Actor(Principal(key_id=None, name="uploader", permissions=frozenset(), datasets=()), address="")
"""The uploader itself, in its background tasks."""


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """What a record tells of; ``size_bytes`` is that of the uploaded file, ``detail`` is for people."""

    action: AuditAction
    actor: Actor
    outcome: str = DONE
    upload_id: str | None = None
    dataset: str | None = None
    size_bytes: int | None = None
    detail: str = ""


def recordable(text: str, *, max_chars: int) -> str:
    """Return ``text`` as it may be recorded: without secrets and control characters, and cut to ``max_chars``."""
    shown = printable(hide_secrets(text[: 4 * max_chars]))
    return shown if len(shown) <= max_chars else f"{shown[: max_chars - 1]}…"
