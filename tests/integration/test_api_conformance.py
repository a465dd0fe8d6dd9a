"""The running uploader conforms to its OpenAPI document, over valid and invalid calls, with and without keys."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.uploader.access import ADMIN, GUARDED, bearer
from tests.support.uploader.server import RunningUploader, running_uploader

_HOOKS = "tests.support.uploader.schemathesis_hooks"
_CONFIGURATION = Path(__file__).parents[1] / "support" / "uploader" / "schemathesis.toml"
_LIMITS: dict[str, Any] = {"max_chunks": 50, "max_file_size_mb": 50}


@dataclass(frozen=True, kw_only=True)
class _Caller:
    """Who calls, and which checks make no sense for it."""

    settings: dict[str, Any]
    key: str | None
    examples: int
    least_cases: int
    without: tuple[str, ...] = ()


_CALLERS = {
    "anyone": _Caller(settings={}, key=None, examples=30, least_cases=700, without=("ignored_auth",)),
    "holder": _Caller(settings={**GUARDED, "uploads_at_once_per_key": 0}, key=ADMIN, examples=15, least_cases=500),
    # Valid and invalid calls get 401 alike.
    "stranger": _Caller(
        settings=GUARDED,
        key=None,
        examples=10,
        least_cases=200,
        without=("positive_data_acceptance", "negative_data_rejection", "missing_required_header"),
    ),
}


@pytest.mark.parametrize("caller", _CALLERS.values(), ids=_CALLERS)
def test_every_response_is_as_documented(tmp_path: Path, caller: _Caller) -> None:
    chunks = tmp_path / "chunks"
    chunks.mkdir()
    with running_uploader(chunks, **_LIMITS, **caller.settings) as uploader:
        done = _run_schemathesis(uploader, caller, tmp_path)
    assert done.returncode == 0, done.stdout[-20_000:]
    [cases] = re.findall(r"(\d+) generated", done.stdout)
    assert int(cases) >= caller.least_cases, done.stdout[-5_000:]


def _run_schemathesis(uploader: RunningUploader, caller: _Caller, directory: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [
        *(Path(sys.executable).parent / "schemathesis", "--config-file", _CONFIGURATION, "run"),
        *(f"{uploader.base_url}/openapi.json", "--checks", "all", "--max-examples", str(caller.examples)),
        *("--seed", "20261128", "--no-color"),
        # A deleted upload or key keeps its row, and its state can still be read.
        *("--exclude-checks", ",".join(("use_after_free", *caller.without))),
        *(["--header", f"Authorization: Bearer {caller.key}"] if caller.key else []),
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": _HOOKS, "CSVPIPE_TEST_CURSOR": _cursor_of(uploader, caller)}
    environment["CSVPIPE_TEST_MAX_CHUNKS"] = str(_LIMITS["max_chunks"])
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=850
    )


def _cursor_of(uploader: RunningUploader, caller: _Caller) -> str:
    """Return a cursor that a page of two uploads gives."""
    headers = bearer(ADMIN if caller.settings else None)
    with httpx.Client(base_url=uploader.base_url, trust_env=False, headers=headers) as client:
        for number in (1, 2):
            answer = client.post(
                "/upload/csv", data={"dataset_name": "cursor"}, files={"file": ("rows.csv", f"id\n{number}\n".encode())}
            )
            assert answer.status_code == 202, answer.text
        return str(client.get("/uploads", params={"limit": 1}).json()["next_cursor"])
