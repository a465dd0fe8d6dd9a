"""Health, readiness, problem documents and shutdown."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest

from tests.support.uploader.fake_publisher import FakePublisher
from tests.support.uploader.http_uploads import UNKNOWN, assert_problem
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.uploader.uploads import SettableClock, chunk_bytes
from tests.support.waiting import wait_until


class TestHealth:
    def test_alive_and_ready(self, client: httpx.Client) -> None:
        assert client.get("/health").json() == {"status": "alive"}
        wait_until(lambda: client.get("/ready").status_code == 200, what="ready", deadline_s=60, poll_s=0.02)

    def test_unavailable_kafka_is_reported_and_its_return_publishes_waiting_chunks(
        self, client: httpx.Client, kafka: FakePublisher, clock: SettableClock
    ) -> None:
        kafka.away = True
        wait_until(lambda: client.get("/ready").status_code == 503, what="not ready", deadline_s=60, poll_s=0.02)
        ready = client.get("/ready").json()
        assert ready["kafka"] == {"ok": False, "why": "the fake is away"}
        assert ready["manifest"] == ready["disk"] == {"ok": True, "why": None}
        answer = client.post(
            "/upload/csv", data={"dataset_name": "people"}, files={"file": ("people.csv", chunk_bytes(1))}
        )
        assert (answer.status_code, answer.json()["status"]) == (202, "awaiting_kafka")
        kafka.away = False
        clock.advance(seconds=10)
        wait_until(lambda: client.get("/ready").status_code == 200, what="ready again", deadline_s=60, poll_s=0.02)
        wait_until(lambda: kafka.messages, what="the chunk is announced", deadline_s=60, poll_s=0.02)

    def test_full_disk_and_lost_database_are_reported(self, tmp_path: Path) -> None:
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
            server.runtime.store.close()  # the open connections still have the file
            answer = client.get("/ready")
            assert answer.status_code == 503
            assert "unable to open database file" in answer.json()["manifest"]["why"]
            assert_problem(client.get("/uploads"), 503, "manifest_unavailable")


class TestProblems:
    def test_unknown_paths_and_methods_are_refused(self, client: httpx.Client) -> None:
        assert_problem(client.get("/nowhere"), 404, "not_found")
        answer = client.post("/health")
        assert_problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == "GET"

    @pytest.mark.parametrize(
        ("path", "allowed"),
        [
            (f"/chunks/{UNKNOWN}/1/download", "GET, HEAD"),
            (f"/uploads/{UNKNOWN}", "DELETE"),
            ("/uploads/known", "POST"),
        ],
    )
    def test_allow_lists_exactly_the_methods_of_the_path(self, client: httpx.Client, path: str, allowed: str) -> None:
        assert client.options(path).headers["allow"] == allowed

    def test_unexpected_error_is_logged_and_hidden_from_the_client(
        self,
        server: RunningUploader,
        client: httpx.Client,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("secret")

        monkeypatch.setattr(server.runtime.service, "status", fail)
        # uvicorn closes the connection after such an answer, maybe when the next test has already written to it
        answer = client.get(f"/uploads/{UNKNOWN}/status", headers={"Connection": "close"})
        assert_problem(answer, 500, "internal_error")
        assert "secret" not in answer.text
        assert "RuntimeError: secret" in caplog.text

    def test_every_route_documents_its_summary_and_problems(self, client: httpx.Client) -> None:
        document = client.get("/openapi.json").json()
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                assert operation.get("summary"), f"{method} {path}"
                assert operation.get("description"), f"{method} {path}"
                for status, response in operation["responses"].items():
                    if status in {"404", "409", "410", "416"}:
                        assert "`" in response["description"], f"{method} {path} {status}"
        assert "HTTPValidationError" not in document["components"]["schemas"]  # FastAPI's, which nobody gets here


def test_shutdown_closes_the_publisher_and_ends_all_threads(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with running_uploader(tmp_path / "chunks") as server:
        assert httpx.get(f"{server.base_url}/health", trust_env=False).status_code == 200
    assert server.publisher.closed
    assert not [t.name for t in set(threading.enumerate()) - before if t.name.startswith("uploader")]
