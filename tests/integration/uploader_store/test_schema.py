"""The schema, and the connections to the database."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

import uploader.store
from tests.support.uploader.postgres import PostgresServer
from uploader.store.engine import open_engine
from uploader.store.store import Store, open_store
from uploader.store.tables import SCHEMA, metadata

MIGRATIONS = Path(uploader.store.__file__).parent / "migrations"


class TestSchema:
    def test_migrations_produce_the_schema_of_the_code(self, url: str) -> None:
        engine = open_engine(url)
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        engine.dispose()

    def test_newest_migration_is_the_revision_of_the_code(self) -> None:
        assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == SCHEMA

    def test_current_database_is_opened_without_importing_alembic(self, url: str) -> None:
        open_store(url).close()
        script = "import sys; from uploader.store.store import open_store; open_store(sys.argv[1]).close()"
        script += "; print('alembic' in sys.modules)"
        opened = subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True, check=True)
        assert opened.stdout == "False\n"

    def test_concurrent_opening_of_a_new_database_succeeds(self, url: str) -> None:
        together = threading.Barrier(6)

        def open_together(_: int) -> Store:
            together.wait()
            return open_store(url)

        with ThreadPoolExecutor(6) as pool:
            stores = list(pool.map(open_together, range(6)))
        assert len({(key.key_id, key.secret) for each in stores for key in each.signing_keys.all()}) == 1
        for each in stores:
            each.ping()
            each.close()


class TestConnection:
    def test_postgresql_timeouts_are_set_unless_the_url_sets_them(self, postgres: PostgresServer) -> None:
        url = postgres.new_database()
        more = "&" if "?" in url else "?"
        engine = open_engine(f"{url}{more}keepalives_idle=7&options=-c%20work_mem%3D5MB")
        with engine.connect() as connection:
            shown = [connection.execute(text(f"SHOW {name}")).scalar() for name in ("statement_timeout", "work_mem")]
            assert connection.connection.dbapi_connection is not None
            asked = connection.connection.dbapi_connection.info.get_parameters()
        engine.dispose()
        assert shown == ["30s", "5MB"]
        assert (asked["tcp_user_timeout"], asked["keepalives_idle"], asked["keepalives_count"]) == ("15000", "7", "3")
