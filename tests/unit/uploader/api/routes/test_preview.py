"""``POST /preview`` over real connections."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from contracts.previews import MAX_PREVIEW_BYTES
from tests.support.uploader.access import GUARDED, bearer, create_key
from tests.support.uploader.http_uploads import assert_problem
from tests.support.uploader.raw_http import connected
from tests.support.uploader.server import RunningUploader, running_uploader

FILE = b"id,name\n1,a\n2,b\n"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    with running_uploader(tmp_path_factory.mktemp("guarded"), **GUARDED) as running:
        yield running


def look(client: httpx.Client, content: bytes = FILE, **query: Any) -> dict[str, Any]:
    answer = client.post("/preview", content=content, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_preview_shows_the_file_and_stores_nothing(server: RunningUploader, client: httpx.Client) -> None:
    before = server.files()
    found = look(client, complete="true")
    assert (found["header"], found["rows"], found["row_count"]) == (["id", "name"], [["1", "a"], ["2", "b"]], 2)
    assert (found["complete"], found["faults"], found["drift"]) == (True, [], None)
    assert found["dialect"]["line_ending"] == "LF"
    assert server.files() == before
    assert client.get("/uploads", params={"dataset": "nothing"}).json()["uploads"] == []


def test_options_are_those_of_an_upload(client: httpx.Client) -> None:
    assert look(client, b"id;x\n1\n", strict="false", delimiter="semicolon")["faults"] == []
    assert look(client, b"id;x\n1\n", delimiter="semicolon")["fault_counts"] == {"ragged_row": 1}
    for query in ({"strict": "perhaps"}, {"delimiter": "::"}, {"encoding": "klingon"}, {"encoding": "utf-32"}):
        assert_problem(client.post("/preview", content=FILE, params=query), 422, "invalid_field")
    assert_problem(client.post("/preview", content=FILE, params={"dataset_name": "a b"}), 422, "invalid_dataset_name")


def test_cut_file_has_no_fault_unless_it_is_complete(client: httpx.Client) -> None:
    cut = b'id,name\n1,"a'
    assert look(client, cut)["faults"] == []
    [fault] = look(client, cut, complete="true")["faults"]
    assert (fault["code"], fault["row"], fault["byte"]) == ("unterminated_quote", 1, 10)


def test_compressed_file_is_unpacked(client: httpx.Client) -> None:
    found = look(client, gzip.compress(FILE), complete="true")
    assert (found["compression"], found["row_count"]) == ("gzip", 2)


def test_empty_body_is_an_empty_file(client: httpx.Client) -> None:
    assert look(client, b"", complete="true")["fault_counts"] == {"empty_file": 1}
    assert look(client, b"")["faults"] == []


def test_body_of_one_mib_is_accepted_and_a_larger_one_is_not_read(client: httpx.Client) -> None:
    whole = b"id\n" + b"1\n" * (MAX_PREVIEW_BYTES // 2)
    assert look(client, whole[:MAX_PREVIEW_BYTES])["row_count"] == MAX_PREVIEW_BYTES // 2 - 2
    problem = assert_problem(client.post("/preview", content=whole), 413, "body_too_large")
    assert problem["max_body_bytes"] == MAX_PREVIEW_BYTES
    assert "first bytes" in problem["detail"]
    pieces = iter([whole[:500_000], whole[500_000:]])
    assert_problem(client.post("/preview", content=pieces), 413, "body_too_large")
    assert look(client, iter([FILE[:5], FILE[5:]]), complete="true")["row_count"] == 2  # type: ignore[arg-type]


def test_large_body_is_refused_on_its_head(server: RunningUploader) -> None:
    with connected(server.port) as connection:
        connection.send(b"POST /preview HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000000000\r\n\r\n")
        assert connection.next().status == 413


def test_form_is_refused(client: httpx.Client) -> None:
    assert_problem(client.post("/preview", files={"file": FILE}), 415, "unsupported_media_type")


# The dataset


def test_columns_are_compared_with_the_last_upload(client: httpx.Client, upload: Callable[..., str]) -> None:
    first = upload(dataset="drifting")
    assert look(client, dataset_name="drifting")["drift"] is None
    drift = look(client, b"name,id,age\n", dataset_name="drifting")["drift"]
    assert (drift["upload_id"], drift["added"], drift["removed"], drift["reordered"]) == (first, ["age"], [], True)
    client.delete(f"/uploads/{first}", params={"force": "true"})
    assert look(client, b"name,id,age\n", dataset_name="drifting")["drift"] is None


def test_columns_of_others_are_shown_to_those_only_who_may_read_them(guarded: RunningUploader) -> None:
    admin = create_key(guarded.base_url, "upload", "read", datasets=["people"])
    blind = create_key(guarded.base_url, "upload", datasets=["people"])
    with httpx.Client(base_url=guarded.base_url, trust_env=False) as client:
        sent = client.post(
            "/upload/csv", data={"dataset_name": "people"}, files={"file": ("a.csv", FILE)}, headers=bearer(admin)
        )
        assert sent.status_code == 202, sent.text
        other = {"content": b"id\n1\n", "params": {"dataset_name": "people"}}
        assert client.post("/preview", headers=bearer(admin), **other).json()["drift"]["removed"] == ["name"]  # type: ignore[arg-type]
        assert client.post("/preview", headers=bearer(blind), **other).json()["drift"] is None  # type: ignore[arg-type]
        refused = client.post("/preview", headers=bearer(blind), content=FILE, params={"dataset_name": "other"})
        assert_problem(refused, 403, "permission_denied")
        assert client.post("/preview", headers=bearer(blind), content=FILE).status_code == 200


def test_previews_above_the_limit_are_refused_before_their_body(server: RunningUploader) -> None:
    head = b"POST /preview HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\nid\n"
    limit = server.runtime.preview_limit
    with limit.slot(), connected(server.port) as connection:
        taken = [limit.slot() for _ in range(31)]
        for each in taken:
            each.__enter__()
        try:
            connection.send(head)
            answer = connection.next()
        finally:
            for each in taken:
                each.__exit__(None, None, None)
    assert answer.status == 503
    assert b"too_many_previews" in answer.body


def test_key_cannot_take_the_previews_of_others(guarded: RunningUploader) -> None:
    greedy, other = create_key(guarded.base_url, "upload"), create_key(guarded.base_url, "upload")
    with ExitStack() as stack:
        for _ in range(16):
            connection = stack.enter_context(connected(guarded.port))
            head = f"POST /preview HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {greedy}\r\nContent-Length: 9\r\n"
            connection.send(f"{head}Expect: 100-continue\r\n\r\n".encode())
            assert connection.next_of_all().status == 100
        refused = httpx.post(f"{guarded.base_url}/preview", content=FILE, headers=bearer(greedy), trust_env=False)
        assert "of the key" in assert_problem(refused, 503, "too_many_previews")["detail"]
        asked = httpx.post(f"{guarded.base_url}/preview", content=FILE, headers=bearer(other), trust_env=False)
        assert asked.status_code == 200
