"""``GET /events`` over real connections."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
from fastapi import Request
from starlette.datastructures import Headers

from contracts.api import UploadSummary
from contracts.permissions import Permission
from tests.support.uploader.access import ADMIN, GUARDED, bearer, create_key
from tests.support.uploader.event_stream import following
from tests.support.uploader.http_uploads import assert_problem, land, put_state
from tests.support.uploader.key_queries import counted_key_queries
from tests.support.uploader.raw_http import connected
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.waiting import wait_until
from uploader.access.errors import UnauthenticatedError
from uploader.access.principal import Principal
from uploader.api.routes.events import _frames
from uploader.api.runtime import Runtime
from uploader.assembly import Intervals
from uploader.uploads.change_reader import Changes
from uploader.uploads.upload_events import Listener

FAST = Intervals(outbox_s=0.05, events_s=0.05)
FILE = b"id\n1\n"


@pytest.fixture(scope="module")
def guarded_uploader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    temp_dir = tmp_path_factory.mktemp("guarded")
    with running_uploader(temp_dir, intervals=FAST, max_event_streams=3, **GUARDED) as running:
        yield running


@pytest.fixture
def guarded(guarded_uploader: RunningUploader) -> RunningUploader:
    """Return it when the streams of other tests have ended."""
    wait_until(lambda: not guarded_uploader.runtime.events.is_looking, what="nobody listens", deadline_s=60)
    return guarded_uploader


def send(uploader: RunningUploader, dataset: str) -> str:
    answer = httpx.post(
        f"{uploader.base_url}/upload/csv",
        data={"dataset_name": dataset},
        files={"file": ("rows.csv", FILE)},
        headers=bearer(ADMIN),
        trust_env=False,
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["upload_id"])


# What is sent


def test_upload_is_followed_to_the_end(
    server: RunningUploader, client: httpx.Client, upload: Callable[..., str]
) -> None:
    with following(server.base_url) as events:
        assert events.response.headers["content-type"].startswith("text/event-stream")
        assert events.response.headers["cache-control"] == "no-store"
        upload_id = upload(dataset="followed")
        events.wait_for(upload_id, "announced")
        put_state(client, upload_id, 1, "relayed")
        assert events.wait_for(upload_id, "landing")["chunk_counts"]["relayed"] == 1
        # Chunk by chunk: the upload itself stays as it is.
        land(client, upload_id, 1)
        assert events.wait_for(upload_id, "landing")["chunk_counts"] == {"landed": 1, "announced": 2}
        land(client, upload_id, 2)
        assert events.wait_for(upload_id, "landing")["chunk_counts"] == {"landed": 2, "announced": 1}
        put_state(client, upload_id, 3, "failed", reason="NiFi says no")
        assert "NiFi says no" in events.wait_for(upload_id, "failed")["error"]
        land(client, upload_id, 3)
        landed = events.wait_for(upload_id, "landed")
        assert landed == client.get("/uploads", params={"dataset": "followed"}).json()["uploads"][0]
        client.delete(f"/uploads/{upload_id}")
        events.wait_for(upload_id, "aborted")


def test_what_happened_before_is_not_sent(server: RunningUploader, upload: Callable[..., str]) -> None:
    # Else the next look is for the stream of an earlier test as well, and finds what happened in its time.
    wait_until(lambda: not server.runtime.events.is_looking, what="nobody listens any more", deadline_s=60)
    before = upload(dataset="before")
    with following(server.base_url) as events:
        after = upload(dataset="after")
        found = events.next()
    assert found is not None
    assert found[1]["upload_id"] == after != before


def test_filters_by_dataset_and_upload(
    server: RunningUploader, client: httpx.Client, upload: Callable[..., str]
) -> None:
    one, other = upload(dataset="one"), upload(dataset="other")
    with (
        following(server.base_url, dataset="one") as of_dataset,
        following(server.base_url, upload_id=other) as of_upload,
    ):
        for upload_id in (one, other):
            put_state(client, upload_id, 1, "relayed")
        first, second = of_dataset.next(), of_upload.next()
        assert first is not None
        assert second is not None
        assert (first[1]["upload_id"], second[1]["upload_id"]) == (one, other)
    assert_problem(client.get("/events", params={"dataset": "a b"}), 422, "invalid_dataset_name")


# Who gets it


def test_key_follows_its_datasets_only(guarded: RunningUploader) -> None:
    key = bearer(create_key(guarded.base_url, "read", datasets=["mine*"]))
    with following(guarded.base_url, headers=key) as events:
        send(guarded, "yours")
        mine = send(guarded, "mine-1")
        found = events.next()
    assert found is not None
    assert found[1]["upload_id"] == mine
    refused = httpx.get(f"{guarded.base_url}/events", params={"dataset": "yours"}, headers=key, trust_env=False)
    assert_problem(refused, 403, "permission_denied")


def test_cookie_follows_too(guarded: RunningUploader) -> None:
    with following(guarded.base_url, headers={"Cookie": f"csvpipe_session={ADMIN}"}) as events:
        upload_id = send(guarded, "by-cookie")
        events.wait_for(upload_id, "announced")


def test_stream_ends_when_its_key_is_revoked(guarded: RunningUploader) -> None:
    key = create_key(guarded.base_url, "read")
    with following(guarded.base_url, headers=bearer(key)) as events:
        address = f"{guarded.base_url}/keys/{key.split('_')[1]}"
        assert httpx.delete(address, headers=bearer(ADMIN), trust_env=False).status_code == 200
        while events.next() is not None:
            pass


class FakeAuthenticator:
    """Knows one key, until it is revoked."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.is_revoked = False

    async def authenticate(self, headers: Headers) -> Principal:
        if self.is_revoked:
            raise UnauthenticatedError("the key was revoked")
        return self.principal


def summary_of(uploader: RunningUploader, upload_id: str) -> UploadSummary:
    address = f"{uploader.base_url}/uploads/{upload_id}/status"
    return UploadSummary.model_validate(httpx.get(address, headers=bearer(ADMIN), trust_env=False).json())


@pytest.mark.parametrize("sent_before", [0, 1])
def test_nothing_is_sent_once_the_key_is_refused(guarded: RunningUploader, sent_before: int) -> None:
    changed = [summary_of(guarded, send(guarded, "late")) for _ in range(2)]
    reader = Principal(key_id="abcdefgh", name="reader", permissions=frozenset({Permission.READ}), datasets=("*",))
    authenticator, listener = FakeAuthenticator(reader), Listener(reader, dataset=None, upload_id=None)
    request = Request({"type": "http", "method": "GET", "path": "/events", "query_string": b"", "headers": []})

    async def follow() -> list[bytes]:
        runtime = cast("Runtime", SimpleNamespace(authenticator=authenticator))
        async with aclosing(_frames(runtime, request, listener)) as frames:
            found = [await anext(frames)]
            coming = asyncio.ensure_future(anext(frames))
            await asyncio.sleep(0)  # it waits for changes
            authenticator.is_revoked = not sent_before
            listener.put(Changes(changed))
            found += [await coming] if sent_before else []
            authenticator.is_revoked = True
            with pytest.raises(StopAsyncIteration):
                await (anext(frames) if sent_before else coming)
        return found

    assert [frame.count(b"event: upload") for frame in asyncio.run(follow())] == [0, 1][: 1 + sent_before]


def test_keys_of_several_streams_are_checked_by_one_query(tmp_path: Path) -> None:
    """Which ones depends on when they were opened: what is known of a key holds for two or three checks."""
    with ExitStack() as opened:
        uploader = opened.enter_context(running_uploader(tmp_path, intervals=FAST, **GUARDED))
        queries = opened.enter_context(counted_key_queries())
        for _ in range(6):
            key = create_key(uploader.base_url, "read")
            opened.enter_context(following(uploader.base_url, headers=bearer(key)))
        wait_until(lambda: any(len(query) > 1 for query in queries), what="a query for several keys", deadline_s=30)


# Bounds


def test_streams_above_the_limit_are_refused_until_one_is_closed(guarded: RunningUploader) -> None:
    other = bearer(create_key(guarded.base_url, "read"))
    one = following(guarded.base_url, headers=bearer(ADMIN))
    two = following(guarded.base_url, headers=other)
    three = following(guarded.base_url, headers=other)
    with one, two:
        with three:
            refused = httpx.get(f"{guarded.base_url}/events", headers=bearer(ADMIN), trust_env=False)
            assert_problem(refused, 503, "too_many_streams")
            assert "retry-after" in refused.headers
        wait_until(lambda: can_follow(guarded), what="the slot of the closed stream", deadline_s=60)


def test_key_cannot_take_the_streams_of_others(guarded: RunningUploader) -> None:
    greedy = bearer(create_key(guarded.base_url, "read"))
    with following(guarded.base_url, headers=greedy), following(guarded.base_url, headers=greedy):
        refused = httpx.get(f"{guarded.base_url}/events", headers=greedy, trust_env=False)
        assert "of the key" in assert_problem(refused, 503, "too_many_streams")["detail"]
        assert can_follow(guarded)


def can_follow(uploader: RunningUploader) -> bool:
    with httpx.stream("GET", f"{uploader.base_url}/events", headers=bearer(ADMIN), trust_env=False) as response:
        return response.status_code == 200


def test_database_is_looked_at_only_while_somebody_listens(guarded: RunningUploader) -> None:
    with following(guarded.base_url, headers=bearer(ADMIN)):
        assert guarded.runtime.events.is_looking
    wait_until(lambda: not guarded.runtime.events.is_looking, what="nobody listens any more", deadline_s=60)


def test_stopping_server_ends_its_streams(tmp_path: Path) -> None:
    ended = threading.Event()

    def follow(base_url: str, ready: threading.Event) -> None:
        with following(base_url) as events:
            ready.set()
            assert events.next() is None
        ended.set()

    ready = threading.Event()
    with running_uploader(tmp_path) as uploader:  # and its end waits until no connection is open
        follower = threading.Thread(target=follow, args=(uploader.base_url, ready))
        follower.start()
        assert ready.wait(60)
    follower.join(60)
    assert ended.is_set()


def test_stream_is_not_counted_as_a_slow_request(guarded: RunningUploader) -> None:
    with connected(guarded.port) as connection:
        connection.send(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {ADMIN}\r\n\r\n".encode())
        assert connection.next_of_all().status == 200

    def counted() -> str:
        lines = httpx.get(f"{guarded.base_url}/metrics", trust_env=False).text.splitlines()
        return "\n".join(line for line in lines if 'route="/events"' in line and 'status="200"' in line)

    assert wait_until(counted, what="the stream is counted", deadline_s=60)
