"""Requests of tests to the uploader's routes, and checks of its errors."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx

from contracts.hidden_secrets import hide_secrets
from tests.support.uploader.uploads import chunk_bytes
from uploader.api.problems import PROBLEM_JSON

UNKNOWN = "0" * 32


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
    assert problem["instance"] == hide_secrets(answer.request.url.path)
    assert problem["title"]
    assert problem["detail"]
    return problem
