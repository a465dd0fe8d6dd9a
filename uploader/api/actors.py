"""Who makes a request, and from where, for the audit records."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from uploader.access.audit import MAX_ADDRESS_CHARS, Actor
from uploader.api.guards import principal_of


def actor_of(request: Request) -> Actor:
    """Return who makes ``request``."""
    return Actor(principal_of(request), address_of(request))


def address_of(request: Request) -> str:
    """Return the IP address of the client.

    It is that of the connection; if that belongs to a proxy of FORWARDED_ALLOW_IPS, what its X-Forwarded-For says,
    which need not be an address, so it is cut to what the database has room for.
    """
    return "" if request.client is None else request.client.host[:MAX_ADDRESS_CHARS]


async def _actor(request: Request) -> Actor:
    return actor_of(request)


ActorDep = Annotated[Actor, Depends(_actor)]
