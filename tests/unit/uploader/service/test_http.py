"""The routes, over the whole application: a real SQLite file, real files, a fake Kafka."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.manifest import Manifest
from tests.support.fake_kafka import FakeAnnouncer
from tests.support.uploader_server import RunningUploader, running_uploader
from tests.support.uploads import HEADER, SettableClock, chunk_bytes
from tests.support.waiting import wait_until
from uploader.app import Intervals
from uploader.problems import PROBLEM_JSON

UNKNOWN = "0" * 32


FAST = Intervals(outbox_s=0.05, probe_s=0.05, longest_s=0.1)


@pytest.fixture(scope="module")
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, clock: SettableClock) -> Iterator[RunningUploader]:
    temp_dir = tmp_path_factory.mktemp("chunks")
    with running_uploader(temp_dir, clock=clock, intervals=FAST, replica_name="replica-0") as running:
        yield running


@pytest.fixture
def kafka(server: RunningUploader) -> FakeAnnouncer:
    server.announcer.messages.clear()
    return server.announcer


@pytest.fixture
def temp_dir(server: RunningUploader) -> Path:
    return server.temp_dir


@pytest.fixture(scope="module")
def client(server: RunningUploader) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, trust_env=False) as opened:
        yield opened


@pytest.fixture
def upload(client: httpx.Client) -> Callable[..., str]:
    """Give a function that uploads three chunks of one row and returns the upload's id."""

    def upload(*, dataset: str = "people", key: str | None = None) -> str:
        content = HEADER + b"".join(chunk_bytes(chunk_id)[len(HEADER) :] for chunk_id in (1, 2, 3))
        answer = client.post(
            "/upload/csv",
            data={"dataset_name": dataset, "chunk_type": "rows", "chunk_size": "1"},
            files={"file": ("people.csv", content)},
            headers={"Idempotency-Key": key} if key else {},
        )
        assert answer.status_code == 202, answer.text
        assert answer.json()["status"] == "announced"
        return str(answer.json()["upload_id"])

    return upload


def evidence(content: bytes) -> dict[str, object]:
    return {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def put_state(client: httpx.Client, upload_id: str, chunk_id: int, state: str, **more: Any) -> Any:
    return client.put(f"/chunks/{upload_id}/{chunk_id}/state", json={"state": state, **more})


def land(client: httpx.Client, upload_id: str, *chunk_ids: int) -> None:
    for chunk_id in chunk_ids:
        answer = put_state(client, upload_id, chunk_id, "landed", evidence=evidence(chunk_bytes(chunk_id)))
        assert answer.status_code == 200, answer.text


def assert_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM_JSON
    problem: dict[str, Any] = answer.json()
    assert problem["code"] == code
    assert problem["type"] == f"urn:csvpipe:problem:{code}"
    assert problem["status"] == status
    assert problem["instance"] == answer.request.url.path
    assert problem["title"]
    assert problem["detail"]
    return problem


class TestStatus:
    def test_way_of_an_upload_as_its_status_tells_it(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        upload_id = upload()
        put_state(client, upload_id, 1, "relayed")
        land(client, upload_id, 1)
        put_state(client, upload_id, 2, "failed", reason="NiFi says no")
        status = client.get(f"/uploads/{upload_id}/status").json()
        assert (status["status"], status["state"]) == ("landing", "landing")
        assert status["chunk_counts"] == {"landed": 1, "failed": 1, "announced": 1}
        assert status["error"] == "1 of 3 chunks failed; the first: chunk 2: NiFi says no"
        first, second, third = status["chunks"]
        assert [first["state"], second["state"], third["state"]] == ["landed", "failed", "announced"]
        assert first["relayed_at"] is not None
        assert first["landed_at"] is not None
        assert second["error"] == "NiFi says no"
        assert third["attempts"] == 1
        land(client, upload_id, 2, 3)
        status = client.get(f"/uploads/{upload_id}/status").json()
        assert (status["status"], status["error"]) == ("landed", None)
        assert status["landed_at"] is not None

    def test_unknown_upload_is_a_404_that_says_so(self, client: httpx.Client) -> None:
        for method, path in [
            ("GET", f"/uploads/{UNKNOWN}/status"),
            ("GET", "/uploads/%00/status"),
            ("GET", f"/uploads/{UNKNOWN}/manifest"),
            ("POST", f"/uploads/{UNKNOWN}/announce"),
            ("DELETE", f"/uploads/{UNKNOWN}"),
            ("GET", f"/chunks/{UNKNOWN}/1/download"),
        ]:
            assert_problem(client.request(method, path), 404, "upload_not_found")

    def test_manifest_is_that_of_the_contract(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        upload_id = upload()
        manifest = Manifest.model_validate(client.get(f"/uploads/{upload_id}/manifest").json())
        assert manifest.upload_id == upload_id
        assert [chunk.key for chunk in manifest.chunks] == [f"people/{c.filename}" for c in manifest.chunks]
        assert manifest.header_bytes + sum(c.byte_end - c.byte_start for c in manifest.chunks) == manifest.content_bytes


class TestList:
    def test_pages_follow_their_cursors_to_the_end(
        self, client: httpx.Client, upload: Callable[..., str], clock: SettableClock
    ) -> None:
        ids = []
        for _ in range(3):
            clock.advance(seconds=1)
            ids.append(upload(dataset="pages"))
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = client.get(
                "/uploads", params={"dataset": "pages", "limit": 2, **({"cursor": cursor} if cursor else {})}
            ).json()
            found += [each["upload_id"] for each in page["uploads"]]
            cursor = page["next_cursor"]
        assert found == ids[::-1]

    def test_dataset_and_status_narrow_it(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        women, cars = upload(dataset="women"), upload(dataset="cars")
        land(client, cars, 1, 2, 3)

        def ids(**query: str) -> list[str]:
            return [each["upload_id"] for each in client.get("/uploads", params=query).json()["uploads"]]

        assert ids(dataset="women") == [women]
        assert ids(dataset="cars", status="landed") == [cars]
        assert ids(dataset="cars", status="announced") == []
        assert cars in ids(status="landed")
        assert women not in ids(status="landed")

    @pytest.mark.parametrize(
        "cursor",
        [
            "x",
            "bnVsbA",
            "WzEsMl0",
            "é",
            # year 1 with an offset: before the first moment that there is in UTC
            "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwgImEiXQ",
        ],
    )
    def test_cursor_that_no_page_gave_out_is_refused(self, client: httpx.Client, cursor: str) -> None:
        problem = assert_problem(client.get("/uploads", params={"cursor": cursor}), 422, "invalid_field")
        assert problem["field"] == "cursor"

    def test_query_that_breaks_a_rule_is_named(self, client: httpx.Client) -> None:
        problem = assert_problem(client.get("/uploads?limit=201&status=x"), 422, "invalid_request")
        assert [fault["field"] for fault in problem["faults"]] == ["query.status", "query.limit"]
        assert_problem(client.get("/uploads?dataset=a%00b"), 422, "invalid_dataset_name")


class TestDownload:
    @pytest.fixture
    def url(self, upload: Callable[..., str]) -> str:
        return f"/chunks/{upload()}/2/download"

    def test_whole_chunk_with_its_hash_as_etag(self, client: httpx.Client, url: str) -> None:
        answer = client.get(url)
        content = chunk_bytes(2)
        assert (answer.status_code, answer.content) == (200, content)
        assert answer.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
        assert answer.headers["content-length"] == str(len(content))
        assert answer.headers["content-type"] == "text/csv"
        assert answer.headers["accept-ranges"] == "bytes"
        head = client.head(url)
        assert (head.status_code, head.content) == (200, b"")
        assert {**head.headers, "date": ""} == {**answer.headers, "date": ""}

    @pytest.mark.parametrize(
        ("asked", "start", "end"), [("bytes=0-3", 0, 4), ("bytes=5-", 5, None), ("bytes=-4", -4, None)]
    )
    def test_one_range(self, client: httpx.Client, url: str, asked: str, start: int, end: int | None) -> None:
        content = chunk_bytes(2)
        answer = client.get(url, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (206, content[start:end])
        first = start % len(content)
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.content) - 1}/{len(content)}"
        assert answer.headers["content-length"] == str(len(answer.content))

    def test_range_longer_than_the_chunk_ends_with_it(self, client: httpx.Client, url: str) -> None:
        answer = client.get(url, headers={"Range": "bytes=3-999999"})
        assert (answer.status_code, answer.content) == (206, chunk_bytes(2)[3:])
        answer = client.get(url, headers={"Range": "bytes=-999999"})
        assert (answer.status_code, answer.content) == (206, chunk_bytes(2))

    @pytest.mark.parametrize("asked", ["bytes=0-1,3-4", "rows=0-1", "bytes=3-1", "bytes=-", "bytes", "bytes=a-b"])
    def test_several_ranges_and_such_as_make_no_sense_give_the_whole(
        self, client: httpx.Client, url: str, asked: str
    ) -> None:
        answer = client.get(url, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (200, chunk_bytes(2))

    @pytest.mark.parametrize("asked", ["bytes=99999-", "bytes=99999-100000", "bytes=-0"])
    def test_range_behind_the_end_is_refused_with_the_size(self, client: httpx.Client, url: str, asked: str) -> None:
        answer = client.get(url, headers={"Range": asked})
        assert_problem(answer, 416, "range_not_satisfiable")
        assert answer.headers["content-range"] == f"bytes */{len(chunk_bytes(2))}"

    def test_if_range_gives_the_part_of_this_chunk_or_the_whole_of_another(
        self, client: httpx.Client, url: str
    ) -> None:
        etag = client.head(url).headers["etag"]
        for if_range, status in ((etag, 206), ('"other"', 200), (f"W/{etag}", 200)):
            answer = client.get(url, headers={"Range": "bytes=0-3", "If-Range": if_range})
            assert answer.status_code == status
        assert client.get(url, headers={"Range": "bytes=99999-", "If-Range": '"other"'}).status_code == 200

    def test_if_range_with_a_date_gives_the_whole_wherever_the_range_lies(self, client: httpx.Client, url: str) -> None:
        date = client.head(url).headers["last-modified"]
        for asked in ("bytes=0-3", "bytes=99999-"):
            answer = client.get(url, headers={"Range": asked, "If-Range": date})
            assert (answer.status_code, answer.content) == (200, chunk_bytes(2))

    def test_file_that_goes_after_it_was_found_is_gone_not_an_error(
        self, server: RunningUploader, client: httpx.Client, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        service = server.app.state.service
        locate = service.locate_chunk

        def locate_and_lose(upload_id: str, chunk_id: int, **more: Any) -> Any:
            path, chunk = locate(upload_id, chunk_id, **more)
            path.unlink()
            return path, chunk

        monkeypatch.setattr(service, "locate_chunk", locate_and_lose)
        assert_problem(client.get(url), 410, "chunk_gone")

    def test_client_that_has_it_already_gets_no_bytes(self, client: httpx.Client, url: str) -> None:
        etag = client.head(url).headers["etag"]
        for tags, status in ((etag, 304), (f'"other", W/{etag}', 304), ("*", 304), ('"other"', 200)):
            answer = client.get(url, headers={"If-None-Match": tags})
            assert answer.status_code == status
            assert answer.headers["etag"] == etag

    def test_unknown_chunk_and_gone_ones(
        self, client: httpx.Client, upload: Callable[..., str], temp_dir: Path
    ) -> None:
        upload_id = upload()
        assert_problem(client.get(f"/chunks/{upload_id}/4/download"), 404, "chunk_not_found")
        assert_problem(client.get(f"/chunks/{upload_id}/0/download"), 422, "invalid_request")
        land(client, upload_id, 1)
        for path in (temp_dir / upload_id).glob("*_001_*"):
            path.unlink()
        assert_problem(client.get(f"/chunks/{upload_id}/1/download"), 410, "chunk_gone")
        client.delete(f"/uploads/{upload_id}?force=true")
        assert_problem(client.get(f"/chunks/{upload_id}/2/download"), 410, "upload_gone")


class TestChunkState:
    def test_evidence_of_another_object_is_refused(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        upload_id = upload()
        answer = put_state(client, upload_id, 1, "landed", evidence=evidence(chunk_bytes(2)))
        problem = assert_problem(answer, 409, "evidence_mismatch")
        assert problem["field"] == "evidence.sha256"
        assert problem["expected"] == hashlib.sha256(chunk_bytes(1)).hexdigest()

    def test_change_against_the_table_is_refused_and_repeating_is_not(
        self, client: httpx.Client, upload: Callable[..., str]
    ) -> None:
        upload_id = upload()
        land(client, upload_id, 1, 1)
        problem = assert_problem(put_state(client, upload_id, 1, "relayed"), 409, "illegal_state_change")
        assert (problem["old"], problem["new"]) == ("landed", "relayed")
        assert_problem(put_state(client, upload_id, 1, "failed", reason="x"), 409, "illegal_state_change")

    @pytest.mark.parametrize(
        "body", [{"state": "cleaned"}, {"state": "stored"}, {}, {"state": "failed", "reason": "x" * 4_001}]
    )
    def test_body_that_breaks_a_rule_is_named(
        self, client: httpx.Client, upload: Callable[..., str], body: dict[str, str]
    ) -> None:
        assert_problem(client.put(f"/chunks/{upload()}/1/state", json=body), 422, "invalid_request")

    @pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
    def test_evidence_that_is_no_json_is_refused(
        self, client: httpx.Client, upload: Callable[..., str], number: str
    ) -> None:
        body = f'{{"state": "relayed", "evidence": {{"seconds": [{number}]}}}}'
        headers = {"Content-Type": "application/json"}
        answer = client.put(f"/chunks/{upload()}/1/state", content=body, headers=headers)
        assert_problem(answer, 422, "invalid_field")

    def test_evidence_without_end_is_refused(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        answer = put_state(client, upload(), 1, "failed", evidence={"log": "x" * 20_000})
        assert_problem(answer, 422, "invalid_field")

    def test_chunk_of_a_deleted_upload_takes_no_news(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        upload_id = upload()
        client.delete(f"/uploads/{upload_id}?force=true")
        assert_problem(put_state(client, upload_id, 1, "relayed"), 410, "upload_gone")


class TestAnnounceAgain:
    def test_everything_but_what_has_landed_is_announced_once_more(
        self, client: httpx.Client, upload: Callable[..., str], kafka: FakeAnnouncer
    ) -> None:
        upload_id = upload()
        land(client, upload_id, 1)
        put_state(client, upload_id, 2, "failed", reason="x")
        answer = client.post(f"/uploads/{upload_id}/announce")
        assert answer.status_code == 202
        assert answer.json()["chunk_counts"] == {"landed": 1, "stored": 2}
        wait_until(lambda: len(kafka.messages) == 5, what="two more messages", deadline_s=10, poll_s=0.02)
        assert kafka.announced[3:] == [(upload_id, 2), (upload_id, 3)]

    def test_lost_file_is_not_announced_but_said(
        self, client: httpx.Client, upload: Callable[..., str], temp_dir: Path
    ) -> None:
        upload_id = upload()
        for path in (temp_dir / upload_id).glob("*_002_*"):
            path.unlink()
        answer = client.post(f"/uploads/{upload_id}/announce").json()
        assert answer["chunks"][1]["state"] == "failed"
        assert answer["chunks"][1]["error"] == "its file is gone from the uploader's disk"

    def test_landed_upload_sends_one_message_and_says_where_kafka_does_not_take_it(
        self, client: httpx.Client, upload: Callable[..., str], kafka: FakeAnnouncer
    ) -> None:
        upload_id = upload()
        land(client, upload_id, 1, 2, 3)
        answer = client.post(f"/uploads/{upload_id}/announce")
        assert (answer.status_code, answer.json()["state"]) == (202, "landed")
        announced = [chunk_id for announced_id, chunk_id in kafka.announced if announced_id == upload_id]
        assert announced == [1, 2, 3, 1]
        kafka.away = True
        try:
            assert_problem(client.post(f"/uploads/{upload_id}/announce"), 503, "kafka_unavailable")
        finally:
            kafka.away = False

    def test_asking_the_wrong_replica_fails_nothing(
        self, server: RunningUploader, client: httpx.Client, upload: Callable[..., str], temp_dir: Path
    ) -> None:
        upload_id = upload()
        server.app.state.service._store.adopt([upload_id], holder="replica-1")
        (temp_dir / upload_id).rename(temp_dir / "on another disk of replica-1")
        answer = client.post(f"/uploads/{upload_id}/announce")
        assert answer.status_code == 202
        assert answer.json()["chunk_counts"] == {"stored": 3}


class TestDelete:
    def test_upload_on_its_way_needs_force(
        self, client: httpx.Client, upload: Callable[..., str], temp_dir: Path
    ) -> None:
        upload_id = upload()
        assert_problem(client.delete(f"/uploads/{upload_id}"), 409, "upload_on_its_way")
        assert (temp_dir / upload_id).exists()
        for _ in range(2):
            answer = client.delete(f"/uploads/{upload_id}?force=true")
            assert (answer.status_code, answer.json()["status"]) == (200, "aborted")
            assert not (temp_dir / upload_id).exists()
        assert client.get(f"/uploads/{upload_id}/status").json()["status"] == "aborted"
        assert_problem(client.get(f"/uploads/{upload_id}/manifest"), 410, "upload_gone")
        assert_problem(client.post(f"/uploads/{upload_id}/announce"), 410, "upload_gone")

    def test_landed_upload_goes_without_force(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        upload_id = upload()
        land(client, upload_id, 1, 2, 3)
        assert client.delete(f"/uploads/{upload_id}").status_code == 200


class TestHealth:
    def test_alive_and_ready(self, client: httpx.Client) -> None:
        assert client.get("/health").json() == {"status": "alive"}
        wait_until(lambda: client.get("/ready").status_code == 200, what="ready", deadline_s=10, poll_s=0.02)

    def test_kafka_away_is_named_and_its_return_announces_what_waits(
        self, client: httpx.Client, kafka: FakeAnnouncer, clock: SettableClock
    ) -> None:
        kafka.away = True
        wait_until(lambda: client.get("/ready").status_code == 503, what="not ready", deadline_s=10, poll_s=0.02)
        ready = client.get("/ready").json()
        assert ready["kafka"] == {"ok": False, "why": "the fake is away"}
        assert ready["manifest"] == ready["disk"] == {"ok": True, "why": None}
        answer = client.post(
            "/upload/csv", data={"dataset_name": "people"}, files={"file": ("people.csv", chunk_bytes(1))}
        )
        assert (answer.status_code, answer.json()["status"]) == (202, "awaiting_kafka")
        kafka.away = False
        clock.advance(seconds=10)
        wait_until(lambda: client.get("/ready").status_code == 200, what="ready again", deadline_s=10, poll_s=0.02)
        wait_until(lambda: kafka.messages, what="the chunk is announced", deadline_s=10, poll_s=0.02)

    def test_full_disk_and_lost_database_are_named(self, tmp_path: Path) -> None:
        temp_dir = tmp_path / "chunks"
        with (
            running_uploader(temp_dir, min_free_disk_mb=10**9, low_disk_mb=10**9) as server,
            httpx.Client(base_url=server.base_url, trust_env=False) as client,
        ):
            ready = client.get("/ready").json()
            assert "MIN_FREE_DISK_MB is 1000000000" in ready["disk"]["why"]
            for path in temp_dir.glob("manifest.sqlite3*"):
                path.unlink()
            (temp_dir / "manifest.sqlite3").mkdir()
            server.app.state.service._store.close()  # the open connections still have the file
            answer = client.get("/ready")
            assert answer.status_code == 503
            assert "unable to open database file" in answer.json()["manifest"]["why"]
            assert_problem(client.get("/uploads"), 503, "manifest_unavailable")


class TestProblems:
    def test_paths_and_methods_that_there_are_not(self, client: httpx.Client) -> None:
        assert_problem(client.get("/nowhere"), 404, "not_found")
        answer = client.post("/health")
        assert_problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == "GET"

    def test_the_unforeseen_tells_the_log_and_not_the_client(
        self,
        server: RunningUploader,
        client: httpx.Client,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("secret")

        monkeypatch.setattr(server.app.state.service, "status", fail)
        # uvicorn closes the connection after such an answer, maybe when the next test has already written to it
        answer = client.get(f"/uploads/{UNKNOWN}/status", headers={"Connection": "close"})
        assert_problem(answer, 500, "internal_error")
        assert "secret" not in answer.text
        assert "RuntimeError: secret" in caplog.text

    def test_every_route_says_what_it_does_and_which_problems_it_has(self, client: httpx.Client) -> None:
        document = client.get("/openapi.json").json()
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                assert operation.get("summary"), f"{method} {path}"
                assert operation.get("description"), f"{method} {path}"
                for status, response in operation["responses"].items():
                    if status in {"404", "409", "410", "416"}:
                        assert "`" in response["description"], f"{method} {path} {status}"


def test_shutdown_closes_kafka_and_leaves_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with running_uploader(tmp_path / "chunks") as server:
        assert httpx.get(f"{server.base_url}/health", trust_env=False).status_code == 200
    assert server.announcer.closed
    assert not [t.name for t in set(threading.enumerate()) - before if t.name.startswith("uploader")]
