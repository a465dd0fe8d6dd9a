"""The identity of one worker process: its replica's name and address, and its own name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ReplicaIdentity:
    """Which replica a worker process belongs to.

    ``name`` is REPLICA_NAME, which the database stores with every upload; ``base_url`` is the address that messages and
    redirects give for the replica's chunks; ``worker`` is unique to the process and owns its leases.
    """

    name: str
    base_url: str
    worker: str
