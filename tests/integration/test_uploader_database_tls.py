"""TLS to PostgreSQL, demanded by libpq's variables as the Hanoi overlay sets them."""

from __future__ import annotations

import pytest

from tests.support.uploader.postgres import PostgresServer
from uploader.errors import ManifestUnavailableError
from uploader.store.engine import open_engine


def test_database_without_tls_is_refused_although_the_address_does_not_demand_it(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = postgres.new_database()
    open_engine(database).dispose()
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGSSLROOTCERT", "system")
    with pytest.raises(ManifestUnavailableError, match="SSL"):
        open_engine(database)
