"""Requester Pays buckets."""

from __future__ import annotations

from typing import Any, Literal

Payer = Literal["", "requester"]
"""Who pays for requests to a bucket: its owner, or the account of the credentials."""


def payer_argument(payer: Payer) -> dict[str, Any]:
    """Return the arguments of a request that name the payer."""
    return {"RequestPayer": payer} if payer else {}
