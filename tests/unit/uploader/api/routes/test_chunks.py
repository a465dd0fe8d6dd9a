"""``/chunks``: downloads and state changes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.names import HEADER_OBJECT_KEY, HEADER_SHA256, HEADER_SIZE_BYTES
from tests.support.uploader.http_uploads import assert_problem, evidence, land, put_state
from tests.support.uploader.server import RunningUploader
from tests.support.uploader.uploads import chunk_bytes
from uploader.access.principal import Principal


class TestDownload:
    @pytest.fixture
    def url(self, upload: Callable[..., str]) -> str:
        return f"/chunks/{upload()}/2/download"

    def test_whole_chunk_has_its_hash_as_etag(self, client: httpx.Client, url: str) -> None:
        answer = client.get(url)
        content = chunk_bytes(2)
        assert (answer.status_code, answer.content) == (200, content)
        assert answer.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
        assert answer.headers["content-length"] == str(len(content))
        assert answer.headers["content-type"] == "text/csv"
        assert answer.headers["accept-ranges"] == "bytes"
        digest = f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"
        assert (answer.headers["repr-digest"], answer.headers["content-digest"]) == (digest, digest)
        head = client.head(url)
        assert (head.status_code, head.content) == (200, b"")
        assert {**head.headers, "date": ""} == {**answer.headers, "date": ""}

    def test_every_chunk_response_names_the_object(self, client: httpx.Client, url: str) -> None:
        upload_id = url.split("/")[2]
        manifest = client.get(f"/uploads/{upload_id}/manifest").json()
        chunk = manifest["chunks"][1]
        etag = client.head(url).headers["etag"]
        asked: list[tuple[str, dict[str, str], int]] = [
            ("GET", {}, 200),
            ("HEAD", {}, 200),
            ("GET", {"Range": "bytes=0-3"}, 206),
            ("GET", {"If-None-Match": etag}, 304),
        ]
        for method, headers, status in asked:
            answer = client.request(method, url, headers=headers)
            assert answer.status_code == status
            assert answer.headers[HEADER_OBJECT_KEY] == chunk["key"]
            assert answer.headers[HEADER_SHA256] == chunk["sha256"]
            assert answer.headers[HEADER_SIZE_BYTES] == str(chunk["size_bytes"])

    @pytest.mark.parametrize(
        ("asked", "start", "end"), [("bytes=0-3", 0, 4), ("bytes=5-", 5, None), ("bytes=-4", -4, None)]
    )
    def test_one_range(self, client: httpx.Client, url: str, asked: str, start: int, end: int | None) -> None:
        content = chunk_bytes(2)
        answer = client.get(url, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (206, content[start:end])
        first = start % len(content)
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.content) - 1}/{len(content)}"
        assert answer.headers["repr-digest"] == client.head(url).headers["repr-digest"]
        assert "content-digest" not in answer.headers
        assert answer.headers["content-length"] == str(len(answer.content))

    def test_range_is_truncated_at_the_end_of_the_chunk(self, client: httpx.Client, url: str) -> None:
        answer = client.get(url, headers={"Range": "bytes=3-999999"})
        assert (answer.status_code, answer.content) == (206, chunk_bytes(2)[3:])
        answer = client.get(url, headers={"Range": "bytes=-999999"})
        assert (answer.status_code, answer.content) == (206, chunk_bytes(2))

    @pytest.mark.parametrize("asked", ["bytes=0-1,3-4", "rows=0-1", "bytes=3-1", "bytes=-", "bytes", "bytes=a-b"])
    def test_multiple_or_invalid_ranges_return_the_whole_chunk(
        self, client: httpx.Client, url: str, asked: str
    ) -> None:
        answer = client.get(url, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (200, chunk_bytes(2))

    @pytest.mark.parametrize("asked", ["bytes=99999-", "bytes=99999-100000", "bytes=-0"])
    def test_range_after_the_end_is_refused_with_the_size(self, client: httpx.Client, url: str, asked: str) -> None:
        answer = client.get(url, headers={"Range": asked})
        assert_problem(answer, 416, "range_not_satisfiable")
        assert answer.headers["content-range"] == f"bytes */{len(chunk_bytes(2))}"

    def test_if_range_returns_the_range_only_if_the_etag_matches(self, client: httpx.Client, url: str) -> None:
        etag = client.head(url).headers["etag"]
        for if_range, status in ((etag, 206), ('"other"', 200), (f"W/{etag}", 200)):
            answer = client.get(url, headers={"Range": "bytes=0-3", "If-Range": if_range})
            assert answer.status_code == status
        assert client.get(url, headers={"Range": "bytes=99999-", "If-Range": '"other"'}).status_code == 200

    def test_if_range_with_a_date_returns_the_whole_chunk(self, client: httpx.Client, url: str) -> None:
        date = client.head(url).headers["last-modified"]
        for asked in ("bytes=0-3", "bytes=99999-"):
            answer = client.get(url, headers={"Range": asked, "If-Range": date})
            assert (answer.status_code, answer.content) == (200, chunk_bytes(2))

    def test_file_removed_after_the_lookup_is_reported_as_gone(
        self, server: RunningUploader, client: httpx.Client, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        service = server.runtime.service
        locate = service.locate_chunk

        def locate_and_lose(upload_id: str, chunk_id: int, principal: Principal, **more: Any) -> Any:
            path, chunk = locate(upload_id, chunk_id, principal, **more)
            path.unlink()
            return path, chunk

        monkeypatch.setattr(service, "locate_chunk", locate_and_lose)
        assert_problem(client.get(url), 410, "chunk_gone")

    def test_matching_if_none_match_returns_304(self, client: httpx.Client, url: str) -> None:
        etag = client.head(url).headers["etag"]
        for tags, status in ((etag, 304), (f'"other", W/{etag}', 304), ("*", 304), ('"other"', 200)):
            answer = client.get(url, headers={"If-None-Match": tags})
            assert answer.status_code == status
            assert answer.headers["etag"] == etag

    def test_unknown_and_removed_chunks_are_reported(
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

    def test_illegal_state_change_is_refused_and_a_repeated_one_accepted(
        self, client: httpx.Client, upload: Callable[..., str]
    ) -> None:
        upload_id = upload()
        land(client, upload_id, 1, 1)
        problem = assert_problem(put_state(client, upload_id, 1, "relayed"), 409, "illegal_state_change")
        assert (problem["old"], problem["new"]) == ("landed", "relayed")
        assert_problem(put_state(client, upload_id, 1, "failed", reason="x"), 409, "illegal_state_change")

    @pytest.mark.parametrize(
        "body",
        [
            {"state": "cleaned"},
            {"state": "stored"},
            {},
            {"state": "failed", "reason": "x" * 4_001},
            {"state": "failed", "published_at": "2026-01-31T12:00:00"},  # of no zone
            {"state": "failed", "published_at": 0},
            {"state": "failed", "published_at": "0"},
        ],
    )
    def test_invalid_body_field_is_named(
        self, client: httpx.Client, upload: Callable[..., str], body: dict[str, str]
    ) -> None:
        assert_problem(client.put(f"/chunks/{upload()}/1/state", json=body), 422, "invalid_request")

    @pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
    def test_evidence_that_is_not_json_is_refused(
        self, client: httpx.Client, upload: Callable[..., str], number: str
    ) -> None:
        body = f'{{"state": "relayed", "evidence": {{"seconds": [{number}]}}}}'
        headers = {"Content-Type": "application/json"}
        answer = client.put(f"/chunks/{upload()}/1/state", content=body, headers=headers)
        assert_problem(answer, 422, "invalid_field")

    def test_oversized_evidence_is_refused(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        answer = put_state(client, upload(), 1, "failed", evidence={"log": "x" * 20_000})
        assert_problem(answer, 422, "invalid_field")

    @pytest.mark.parametrize("depth", [21, 500, 5_000, 30_000])
    @pytest.mark.parametrize("brackets", ["[]", "{}"])
    def test_deeply_nested_evidence_is_refused_without_an_internal_error(
        self,
        client: httpx.Client,
        upload: Callable[..., str],
        caplog: pytest.LogCaptureFixture,
        depth: int,
        brackets: str,
    ) -> None:
        opening, closing = ("[", "]") if brackets == "[]" else ('{"a":', "}")
        nested = opening * depth + "1" + closing * depth
        body = f'{{"state": "relayed", "evidence": {{"seen": {nested}}}}}'
        answer = client.put(f"/chunks/{upload()}/1/state", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in {413, 422}, answer.text[:500]
        assert answer.json()["code"] in {"invalid_request", "body_too_large"}
        assert len(answer.content) < 2_000
        assert "Traceback" not in caplog.text

    def test_broken_rule_of_ours_is_said_in_our_words(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        nested: Any = 1
        for _ in range(21):
            nested = [nested]
        problem = assert_problem(
            put_state(client, upload(), 1, "relayed", evidence={"seen": nested}), 422, "invalid_request"
        )
        [fault] = problem["faults"]
        assert fault["field"] == "body.evidence"
        assert fault["rule"].startswith("must not be nested")

    def test_evidence_at_the_nesting_limit_is_kept(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        nested: Any = 1
        for _ in range(19):
            nested = [nested]
        assert put_state(client, upload(), 1, "relayed", evidence={"seen": nested}).status_code == 200

    @pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 60_000, b'{"state": "relayed"'])
    def test_body_that_is_not_json_is_an_invalid_request(
        self, client: httpx.Client, upload: Callable[..., str], body: bytes
    ) -> None:
        headers = {"Content-Type": "application/json"}
        answer = client.put(f"/chunks/{upload()}/1/state", content=body, headers=headers)
        assert_problem(answer, 422, "invalid_request")

    def test_chunk_of_a_deleted_upload_accepts_no_state_change(
        self, client: httpx.Client, upload: Callable[..., str]
    ) -> None:
        upload_id = upload()
        client.delete(f"/uploads/{upload_id}?force=true")
        assert_problem(put_state(client, upload_id, 1, "relayed"), 410, "upload_gone")
