"""``/uploads``: status, list, announcing again and deleting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from contracts.manifest import Manifest
from dags.modules.settings import DRAIN_MAX_MESSAGES
from tests.support.uploader.fake_publisher import FakePublisher
from tests.support.uploader.http_uploads import UNKNOWN, assert_problem, land, put_state
from tests.support.uploader.server import RunningUploader
from tests.support.uploader.uploads import SettableClock
from tests.support.waiting import wait_until


class TestStatus:
    def test_status_follows_an_upload_through_its_states(
        self, client: httpx.Client, upload: Callable[..., str]
    ) -> None:
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

    def test_unknown_upload_returns_404(self, client: httpx.Client) -> None:
        for method, path in [
            ("GET", f"/uploads/{UNKNOWN}/status"),
            ("GET", "/uploads/%00/status"),
            ("GET", f"/uploads/{UNKNOWN}/manifest"),
            ("POST", f"/uploads/{UNKNOWN}/announce"),
            ("DELETE", f"/uploads/{UNKNOWN}"),
            ("GET", f"/chunks/{UNKNOWN}/1/download"),
        ]:
            assert_problem(client.request(method, path), 404, "upload_not_found")

    def test_manifest_matches_the_contract(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        upload_id = upload()
        manifest = Manifest.model_validate(client.get(f"/uploads/{upload_id}/manifest").json())
        assert manifest.upload_id == upload_id
        assert [chunk.key for chunk in manifest.chunks] == [f"people/{c.filename}" for c in manifest.chunks]
        assert manifest.header_bytes + sum(c.byte_end - c.byte_start for c in manifest.chunks) == manifest.content_bytes


class TestKnown:
    def test_known_ids_are_returned_sorted_and_once(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        ids = [upload(), upload()]
        answer = client.post("/uploads/known", json={"upload_ids": [ids[1], UNKNOWN, *ids, UNKNOWN]})
        assert answer.status_code == 200
        assert answer.json() == {"known": sorted(ids)}

    def test_deleted_upload_is_known(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        upload_id = upload()
        assert client.delete(f"/uploads/{upload_id}?force=true").status_code == 200
        assert client.post("/uploads/known", json={"upload_ids": [upload_id]}).json() == {"known": [upload_id]}

    def test_empty_list_of_ids_is_accepted(self, client: httpx.Client) -> None:
        assert client.post("/uploads/known", json={"upload_ids": []}).json() == {"known": []}

    @pytest.mark.parametrize(
        "ids", [["x"], ["A" * 32], [None], [1], "f" * 32, None, [f"{number:032x}" for number in range(501)]]
    )
    def test_invalid_bodies_are_refused(self, client: httpx.Client, ids: object) -> None:
        assert_problem(client.post("/uploads/known", json={"upload_ids": ids}), 422, "invalid_request")

    def test_a_full_batch_of_ids_is_accepted(self, client: httpx.Client) -> None:
        ids = [f"{number:032x}" for number in range(DRAIN_MAX_MESSAGES)]
        assert client.post("/uploads/known", json={"upload_ids": ids}).json() == {"known": []}


class TestList:
    def test_file_is_found_by_its_name_in_every_list(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        upload_id = upload(dataset="named")
        [listed] = client.get("/uploads", params={"dataset": "named"}).json()["uploads"]
        status = client.get(f"/uploads/{upload_id}/status").json()
        last = client.get("/datasets/named").json()["last_upload"]
        assert [each["source_filename"] for each in (listed, status, last)] == ["people.csv"] * 3

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

    def test_dataset_and_status_filter_the_list(self, client: httpx.Client, upload: Callable[..., str]) -> None:
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
    def test_forged_cursor_is_refused(self, client: httpx.Client, cursor: str) -> None:
        problem = assert_problem(client.get("/uploads", params={"cursor": cursor}), 422, "invalid_field")
        assert problem["field"] == "cursor"

    def test_invalid_query_parameter_is_named(self, client: httpx.Client) -> None:
        problem = assert_problem(client.get("/uploads?limit=201&status=x"), 422, "invalid_request")
        assert [fault["field"] for fault in problem["faults"]] == ["query.status", "query.limit"]
        assert_problem(client.get("/uploads?dataset=a%00b"), 422, "invalid_dataset_name")


class TestAnnounceAgain:
    def test_all_chunks_that_have_not_landed_are_announced_again(
        self, client: httpx.Client, upload: Callable[..., str], kafka: FakePublisher
    ) -> None:
        upload_id = upload()
        land(client, upload_id, 1)
        put_state(client, upload_id, 2, "failed", reason="x")
        answer = client.post(f"/uploads/{upload_id}/announce")
        assert answer.status_code == 202
        assert answer.json()["chunk_counts"] == {"landed": 1, "stored": 2}
        wait_until(lambda: len(kafka.messages) == 5, what="two more messages", deadline_s=60, poll_s=0.02)
        assert kafka.announced[3:] == [(upload_id, 2), (upload_id, 3)]

    def test_lost_file_is_reported_and_not_announced(
        self, client: httpx.Client, upload: Callable[..., str], temp_dir: Path
    ) -> None:
        upload_id = upload()
        for path in (temp_dir / upload_id).glob("*_002_*"):
            path.unlink()
        answer = client.post(f"/uploads/{upload_id}/announce").json()
        assert answer["chunks"][1]["state"] == "failed"
        assert answer["chunks"][1]["error"] == "its file is missing from the uploader's disk"

    def test_landed_upload_sends_one_message_and_reports_a_kafka_failure(
        self, client: httpx.Client, upload: Callable[..., str], kafka: FakePublisher
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

    def test_announcing_at_another_replica_fails_no_chunk(
        self, server: RunningUploader, client: httpx.Client, upload: Callable[..., str], temp_dir: Path
    ) -> None:
        upload_id = upload()
        server.runtime.store.replicas.adopt([upload_id], replica="replica-1")
        (temp_dir / upload_id).rename(temp_dir / "on another disk of replica-1")
        answer = client.post(f"/uploads/{upload_id}/announce")
        assert answer.status_code == 202
        assert answer.json()["chunk_counts"] == {"stored": 3}


class TestDelete:
    def test_deleting_an_upload_in_progress_requires_force(
        self, client: httpx.Client, upload: Callable[..., str], temp_dir: Path
    ) -> None:
        upload_id = upload()
        assert_problem(client.delete(f"/uploads/{upload_id}"), 409, "upload_in_progress")
        assert (temp_dir / upload_id).exists()
        for _ in range(2):
            answer = client.delete(f"/uploads/{upload_id}?force=true")
            assert (answer.status_code, answer.json()["status"]) == (200, "aborted")
            assert not (temp_dir / upload_id).exists()
        assert client.get(f"/uploads/{upload_id}/status").json()["status"] == "aborted"
        assert_problem(client.get(f"/uploads/{upload_id}/manifest"), 410, "upload_gone")
        assert_problem(client.post(f"/uploads/{upload_id}/announce"), 410, "upload_gone")

    def test_landed_upload_is_deleted_without_force(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        upload_id = upload()
        land(client, upload_id, 1, 2, 3)
        assert client.delete(f"/uploads/{upload_id}").status_code == 200
