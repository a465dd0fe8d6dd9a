"""The roles that replace each other as the uploader's login to PostgreSQL (docs/security.md)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from tests.support.uploader.postgres import PostgresServer
from tests.support.uploader.stored_uploads import CLAIM_FOR
from tests.support.uploader.uploads import SettableClock, upload_records
from uploader.errors import ManifestUnavailableError
from uploader.store.claims import Claim
from uploader.store.engine import open_engine
from uploader.store.store import open_store


@dataclass(frozen=True)
class Login:
    """A database, its owner, and a second role that logs in for the owner."""

    server: PostgresServer
    database: str
    owner: str
    second: str

    def url(self, role: str) -> str:
        """Return the value of ``DATABASE_URL`` for a role."""
        return self.server.url(self.database, role=role)

    def administer(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements as superuser."""
        return self.server.administer(self.database, *statements)


@pytest.fixture
def login(postgres: PostgresServer) -> Login:
    suffix = uuid.uuid4().hex
    database = urlsplit(postgres.new_database()).path.removeprefix("/")
    found = Login(postgres, database, f"owner_{suffix}", f"second_{suffix}")
    found.administer(
        f"CREATE ROLE {found.owner} LOGIN",
        f"ALTER DATABASE {database} OWNER TO {found.owner}",
        f"CREATE ROLE {found.second} LOGIN IN ROLE {found.owner}",
        f"ALTER ROLE {found.second} SET role = '{found.owner}'",
    )
    return found


def test_tables_that_the_second_role_creates_belong_to_the_owner(login: Login) -> None:
    open_store(login.url(login.second)).close()
    owners = (
        "SELECT DISTINCT relowner::regrole::text FROM pg_class JOIN pg_namespace ON relnamespace = pg_namespace.oid "
        "WHERE nspname = 'public'"
    )
    assert login.administer(owners) == [(login.owner,)]


def test_second_role_reads_writes_and_alters_what_the_owner_has_created(login: Login, clock: SettableClock) -> None:
    upload, chunks = upload_records(at=clock.now)
    first = open_store(login.url(login.owner))
    assert first.uploads.create(upload, chunks, claim=Claim.new(upload.upload_id), claim_for=CLAIM_FOR) is None
    second = open_store(login.url(login.second))
    found = second.uploads.find(upload.upload_id)
    assert found is not None
    for each in (first, second):
        each.close()
    engine = open_engine(login.url(login.second))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE uploads ADD COLUMN added_by_a_migration integer"))
    engine.dispose()


def test_owner_without_login_keeps_its_tables_and_a_later_second_role_is_dropped(login: Login) -> None:
    open_store(login.url(login.second)).close()
    login.administer(f"ALTER ROLE {login.owner} NOLOGIN PASSWORD NULL")
    with pytest.raises(ManifestUnavailableError):
        open_store(login.url(login.owner))
    third = login.second.replace("second", "third")
    login.administer(
        f"CREATE ROLE {third} LOGIN IN ROLE {login.owner}",
        f"ALTER ROLE {third} SET role = '{login.owner}'",
        f"DROP ROLE {login.second}",
    )
    open_store(login.url(third)).close()
