"""Who the audit records say has made a request."""

from __future__ import annotations

from fastapi import Request
from sqlalchemy import String

from uploader.api.actors import address_of
from uploader.store.tables import audit_records, resumable_uploads


def _request(client: tuple[str, int] | None) -> Request:
    return Request({"type": "http", "client": client, "headers": []})


def test_address_is_that_of_the_client() -> None:
    assert address_of(_request(("192.0.2.7", 40_000))) == "192.0.2.7"


def test_client_without_an_address_has_none() -> None:
    assert address_of(_request(None)) == ""


def test_address_fits_where_it_is_stored() -> None:
    """What a proxy passes on can be any text: PostgreSQL refuses one that is longer than the column."""
    address = address_of(_request(("192.0.2.7 " * 1_000, 40_000)))
    for column in (audit_records.c.address, resumable_uploads.c.actor_address):
        assert isinstance(column.type, String)
        assert column.type.length is not None
        assert len(address) <= column.type.length
