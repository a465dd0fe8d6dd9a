"""The schema, and the connections to the database."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, text

import uploader.store
from tests.support.uploader.postgres import PostgresServer
from tests.support.uploader.stored_uploads import CLAIM_FOR
from tests.support.uploader.uploads import SettableClock, upload_records
from uploader.store.engine import open_engine
from uploader.store.protocol import Claim
from uploader.store.rows import values_of
from uploader.store.sql import SqlStore, open_store
from uploader.store.tables import SCHEMA, metadata, uploads

MIGRATIONS = Path(uploader.store.__file__).parent / "migrations"


def downgrade(connection: Connection, revision: str) -> None:
    """Bring the database back to the schema of ``revision``."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


class TestSchema:
    def test_migrations_end_at_the_tables_that_the_code_knows(self, url: str) -> None:
        engine = open_engine(url)
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        engine.dispose()

    def test_newest_migration_is_the_schema_that_the_code_knows(self) -> None:
        assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == SCHEMA

    def test_upload_from_before_traces_has_none_and_a_new_one_keeps_its_own(
        self, url: str, clock: SettableClock
    ) -> None:
        open_store(url).close()
        old, chunks = upload_records(at=clock.now)
        new, _ = upload_records(at=clock.now, traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        engine = open_engine(url)
        with engine.begin() as connection:
            downgrade(connection, "0003")
            values = {name: value for name, value in values_of(old).items() if name != "traceparent"}
            connection.execute(insert(uploads), values)
        engine.dispose()
        store = open_store(url)
        store.create(
            new,
            [replace(c, upload_id=new.upload_id) for c in chunks],
            claim=Claim.new(new.upload_id),
            claim_for=CLAIM_FOR,
        )
        assert store.find_many([old.upload_id, new.upload_id]) == {
            old.upload_id: old.overview,
            new.upload_id: new.overview,
        }
        store.close()

    def test_uploads_from_before_that_share_a_moment_are_moved_apart(self, url: str, clock: SettableClock) -> None:
        open_store(url).close()
        moment = clock.now
        later = moment + timedelta(microseconds=1)
        found = dict(zip("abcd", [moment, moment, later, moment], strict=True))
        old = [replace(upload_records(at=moment)[0], upload_id=each, created_at=at) for each, at in found.items()]
        engine = open_engine(url)
        with engine.begin() as connection:
            downgrade(connection, "0004")
            connection.execute(insert(uploads), [values_of(each) for each in old])
        engine.dispose()
        store = open_store(url)
        after = {each: upload.created_at - moment for each, upload in store.find_many(list(found)).items()}
        store.close()
        assert {each: age // timedelta(microseconds=1) for each, age in after.items()} == {
            "a": 0,
            "b": 2,
            "c": 1,
            "d": 3,
        }

    def test_up_to_date_database_is_opened_without_what_migrates(self, url: str) -> None:
        open_store(url).close()
        script = "import sys; from uploader.store.sql import open_store; open_store(sys.argv[1]).close()"
        script += "; print('alembic' in sys.modules)"
        opened = subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True, check=True)
        assert opened.stdout == "False\n"

    def test_many_that_open_a_new_database_at_once_all_succeed(self, url: str) -> None:
        together = threading.Barrier(6)

        def open_together(_: int) -> SqlStore:
            together.wait()
            return open_store(url)

        with ThreadPoolExecutor(6) as pool:
            stores = list(pool.map(open_together, range(6)))
        for each in stores:
            each.ping()
            each.close()


class TestConnection:
    def test_silent_postgresql_is_given_up_in_seconds_and_the_url_has_the_last_word(
        self, postgres: PostgresServer
    ) -> None:
        url = postgres.new_database()
        more = "&" if "?" in url else "?"
        store = open_store(f"{url}{more}keepalives_idle=7&options=-c%20work_mem%3D5MB")
        with store._engine.connect() as connection:
            shown = [connection.execute(text(f"SHOW {name}")).scalar() for name in ("statement_timeout", "work_mem")]
            assert connection.connection.dbapi_connection is not None
            asked = connection.connection.dbapi_connection.info.get_parameters()
        store.close()
        assert shown == ["30s", "5MB"]
        assert (asked["tcp_user_timeout"], asked["keepalives_idle"], asked["keepalives_count"]) == ("15000", "7", "3")
