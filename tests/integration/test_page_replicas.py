"""What the page relies on, with two replicas: events of uploads that the other one handles, and its sessions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url

from contracts.permissions import Permission
from tests.support.network.line import Cut, Line, network_line
from tests.support.network.round_robin import round_robin_proxy
from tests.support.services import KafkaBroker
from tests.support.uploader.access import bearer, create_key
from tests.support.uploader.event_stream import Events, following
from tests.support.uploader.http_uploads import assert_problem, land, put_state
from tests.support.uploader.postgres import PostgresServer
from tests.support.uploader.replicas import Replica, running_replica
from tests.support.uploader.uploads import HEADER, chunk_bytes
from tests.support.waiting import wait_until

OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}
FILE = HEADER + b"".join(chunk_bytes(number).removeprefix(HEADER) for number in (1, 2, 3))


@dataclass(frozen=True)
class Site:
    """Two replicas behind a balancer: ``here`` does the work, ``there`` is listened to."""

    here: Replica
    there: Replica
    balancer: str
    line: Line
    """The way from ``there`` to the database."""
    key: str
    """A key with all permissions, at both."""


def new_key(replica: Replica, *permissions: str, name: str = "test") -> str:
    return create_key(replica.url, *permissions, admin_key=replica.admin_key, name=name)


@pytest.fixture(scope="module")
def running_site(
    tmp_path_factory: pytest.TempPathFactory, kafka_broker: KafkaBroker, postgres: PostgresServer
) -> Iterator[Site]:
    root, database = tmp_path_factory.mktemp("replicas"), make_url(postgres.new_database())
    environment = {"ACCESS": "keys", "KAFKA_BROKER": kafka_broker.bootstrap, "MIN_FREE_DISK_MB": "1"}
    with network_line("127.0.0.1", database.port or 0) as line, ExitStack() as stack:
        ways = [database, database.set(port=line.port)]
        here, there = [
            stack.enter_context(
                running_replica(
                    root,
                    f"replica-{number}",
                    {**environment, "DATABASE_URL": way.render_as_string(hide_password=False)},
                )
            )
            for number, way in enumerate(ways)
        ]
        balancer = stack.enter_context(round_robin_proxy([("127.0.0.1", each.port) for each in (here, there)]))
        yield Site(here, there, balancer.url, line, new_key(here, *Permission))


@pytest.fixture
def site(running_site: Site) -> Site:
    """Give both replicas with their database, whatever the test before has cut."""
    if running_site.line.is_cut:
        running_site.line.mend()
    return running_site


@pytest.fixture
def here(site: Site) -> Replica:
    """Give the replica that does the work."""
    return site.here


@pytest.fixture
def there(site: Site) -> Replica:
    """Give the other one, which is listened to."""
    return site.there


@pytest.fixture
def client(site: Site, here: Replica) -> Iterator[httpx.Client]:
    """Yield a client of the replica that does the work, with all permissions."""
    with httpx.Client(base_url=here.url, headers=bearer(site.key), timeout=60, trust_env=False) as opened:
        yield opened


def upload(client: httpx.Client, dataset: str) -> str:
    """Upload a file of three chunks."""
    answer = client.post(
        f"/upload/csv?dataset_name={dataset}&chunk_type=rows&chunk_size=1", files={"file": ("rows.csv", FILE)}
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["upload_id"])


def revoke(client: httpx.Client, key: str) -> None:
    answer = client.delete(f"/keys/{key.split('_')[1]}")
    assert answer.status_code == 200, answer.text


def counts_of(events: Events, upload_id: str, status: str) -> Any:
    return events.wait_for(upload_id, status)["chunk_counts"]


# Events


def test_upload_at_one_replica_is_followed_at_the_other_to_its_end(
    site: Site, here: Replica, there: Replica, client: httpx.Client
) -> None:
    with following(there.url, headers=bearer(site.key)) as events:
        upload_id = upload(client, "followed")
        assert upload_id in here.uploads_on_disk()
        assert counts_of(events, upload_id, "announced") == {"announced": 3}
        put_state(client, upload_id, 1, "relayed")
        assert counts_of(events, upload_id, "landing") == {"relayed": 1, "announced": 2}
        for landed in (1, 2):
            land(client, upload_id, landed)
            assert counts_of(events, upload_id, "landing") == {"landed": landed, "announced": 3 - landed}
        land(client, upload_id, 3)
        end = events.wait_for(upload_id, "landed")
        assert end == client.get("/uploads?dataset=followed").json()["uploads"][0]
        client.delete(f"/uploads/{upload_id}")
        events.wait_for(upload_id, "aborted")


def test_change_while_the_database_refuses_the_listening_replica_is_sent_after_it(
    site: Site, there: Replica, client: httpx.Client
) -> None:
    with outage_of_the_listening_replica(site, there, client, Cut.RESET):
        what = "a look at the changes has failed"
        wait_until(lambda: "Changes of uploads not read" in there.log(), what=what, deadline_s=60)


def test_change_while_the_database_does_not_answer_the_listening_replica_is_sent_after_it(
    site: Site, there: Replica, client: httpx.Client
) -> None:
    with outage_of_the_listening_replica(site, there, client, Cut.SILENCE):
        what = "a look at the changes is without an answer"  # as those of /ready are, which wait for longer
        wait_until(lambda: is_unready(there), what=what, deadline_s=60)


@contextmanager
def outage_of_the_listening_replica(site: Site, there: Replica, client: httpx.Client, cut: Cut) -> Iterator[None]:
    """Let an upload land at the other replica, after the block, and check that this is sent when the line is mended."""
    dataset = f"during-{cut.value}"
    with following(there.url, headers=bearer(site.key), dataset=dataset) as events:
        upload_id = upload(client, dataset)
        events.wait_for(upload_id, "announced")
        site.line.cut(cut)
        yield
        land(client, upload_id, 1, 2, 3)
        site.line.mend()
        assert counts_of(events, upload_id, "landed") == {"landed": 3}


def relays(client: httpx.Client, upload_id: str) -> bool:
    """Report the first chunk as relayed; return whether that was accepted."""
    return bool(put_state(client, upload_id, 1, "relayed").status_code == 200)


def is_unready(replica: Replica) -> bool:
    return httpx.get(f"{replica.url}/ready", timeout=30, trust_env=False).status_code == 503


def test_stream_ends_when_its_key_is_revoked_at_the_other_replica(
    here: Replica, there: Replica, client: httpx.Client
) -> None:
    key = new_key(here, "read")
    with following(there.url, headers=bearer(key)) as events:
        revoke(client, key)
        while events.next() is not None:
            pass


# Sessions


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    """Yield a client that keeps cookies as a browser does: by host, whatever the port."""
    with httpx.Client(headers=OWN_PAGE, timeout=60, trust_env=False) as opened:
        yield opened


def sign_in(browser: httpx.Client, url: str, key: str) -> None:
    answer = browser.post(f"{url}/session", json={"key": key})
    assert answer.status_code == 201, answer.text


def name_at(browser: httpx.Client, replica: Replica) -> str | None:
    """Return the name of the key that a browser is signed in with, as ``replica`` sees it."""
    key = browser.get(f"{replica.url}/session").raise_for_status().json()["key"]
    return None if key is None else str(key["name"])


def test_session_of_one_replica_holds_at_the_other_until_signing_out(
    here: Replica, there: Replica, browser: httpx.Client
) -> None:
    sign_in(browser, here.url, new_key(here, "read", name="of two replicas"))
    assert [name_at(browser, each) for each in (here, there)] == ["of two replicas"] * 2
    assert browser.get(f"{there.url}/uploads").status_code == 200
    assert browser.delete(f"{here.url}/session").status_code == 204
    assert [name_at(browser, each) for each in (here, there)] == [None, None]
    assert_problem(browser.get(f"{there.url}/uploads"), 401, "unauthenticated")


def test_session_works_behind_a_balancer(
    site: Site, here: Replica, there: Replica, client: httpx.Client, browser: httpx.Client
) -> None:
    sign_in(browser, site.balancer, new_key(here, "read", "upload"))
    files = {"file": ("rows.csv", FILE)}
    sent = browser.post(f"{site.balancer}/upload/csv?dataset_name=balanced", files=files)
    assert sent.status_code == 202, sent.text
    upload_id = sent.json()["upload_id"]
    cookie = {"Cookie": f"csvpipe_session={browser.cookies['csvpipe_session']}"}
    other = there if upload_id in here.uploads_on_disk() else here
    with following(other.url, headers=cookie, upload_id=upload_id) as events:
        assert relays(client, upload_id)
        events.wait_for(upload_id, "landing")


def test_session_ends_at_the_other_replica_when_its_key_is_revoked(
    here: Replica, there: Replica, client: httpx.Client, browser: httpx.Client
) -> None:
    key = new_key(here, "read", name="revoked")
    sign_in(browser, here.url, key)
    assert name_at(browser, there) == "revoked"
    revoke(client, key)
    wait_until(lambda: name_at(browser, there) is None, what="the session has ended", deadline_s=60)
